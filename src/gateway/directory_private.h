/* Inside the directory: its tables, and how a change goes through store and memory. */
#ifndef ATOLL_GATEWAY_DIRECTORY_PRIVATE_H
#define ATOLL_GATEWAY_DIRECTORY_PRIVATE_H

#include "gateway/directory.h"
#include "gateway/table.h"
#include "store/store_deployments.h"
#include "store/store_domains.h"
#include "store/store_previews.h"

#include <pthread.h>
#include <stdatomic.h>

/* What is exposed of one sandbox. */
struct exposure {
    struct table_node by_sandbox;
    char sandbox_id[ID_SIZE];
    struct preview_entry *previews; /* newest first */
    struct token_entry *tokens;     /* newest first */
    int preview_count, token_count;
};

struct preview_entry {
    struct preview_entry *next;
    struct store_preview record;
};

struct token_entry {
    struct table_node by_hash;
    struct token_entry *next;
    struct exposure *exposure;
    struct store_preview_token record;
};

struct deployment_entry {
    struct table_node by_host, by_id;
    char host[DEPLOYMENT_SLUG_SIZE + TENANT_SLUG_SIZE]; /* "{slug}.{tenant}" */
    struct store_deployment record;
};

struct domain_entry {
    struct table_node by_hostname;
    uint64_t generation;
    struct store_domain record;
};

/* The domain under which a tenant serves its previews. */
struct preview_domain_entry {
    struct table_node by_hostname, by_tenant;
    uint64_t generation;
    struct store_domain record;
};

struct directory {
    const struct settings *settings;
    struct store *store;
    struct sandboxes *sandboxes;

    /* Held by a change from its first check to the last step in memory, so that the store and the tables
     * cannot come apart. Taken before lock. */
    pthread_mutex_t change_mutex;

    _Atomic uint64_t changes; /* see directory_changes */

    pthread_rwlock_t lock; /* what follows */
    struct table exposures, tokens, deployment_hosts, deployment_ids, domains, preview_domains,
        preview_domain_tenants;
    size_t changes_until_sweep; /* under change_mutex */
    uint64_t generation;        /* counts changes of certificates */
};

/* for the length of a block: struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory); */
struct directory *directory_begin_change(struct directory *directory);
void directory_end_change(struct directory **directory);
#define DIRECTORY_CHANGE __attribute__((cleanup(directory_end_change), unused))

/* The exposure of a sandbox, NULL. The lock is held. */
struct exposure *exposure_find(struct directory *directory, const char *sandbox_id);

/* Loading, closing: one of each file. */
int directory_load_previews(struct directory *directory, struct error *err);
int directory_load_deployments(struct directory *directory, struct error *err);
int directory_load_domains(struct directory *directory, struct error *err);
int directory_load_preview_domains(struct directory *directory, struct error *err);
void directory_free_previews(struct directory *directory);
void directory_free_deployments(struct directory *directory);
void directory_free_domains(struct directory *directory);
void directory_free_preview_domains(struct directory *directory);

/* The one claim of a host name that was proven, NULL. The lock is held. */
struct domain_entry *domain_find_verified(struct directory *directory, const char *hostname);

/* Keeps keys out of freed memory. */
void domain_clear_pem(struct store_domain *record);

/* The proven preview domain that serves the host name: it is one label below, and not proven by the same tenant as a
 * domain by itself. NULL. The lock is held. */
struct preview_domain_entry *preview_domain_above(struct directory *directory,
                                                  const char *hostname);

/* Is the host name somebody else's preview domain, or below of one? proven: claims do not count. The lock, or the right
 * to change, is held. */
bool preview_domain_of_others(struct directory *directory, const char *tenant_id,
                              const char *hostname, bool proven);

/* Is the token good for the port of the sandbox, which is exposed as these previews? NULL when it is not. The lock is
 * held. */
const struct token_entry *token_check(struct directory *directory, const char *text,
                                      const struct exposure *exposure, int port, int64_t now_ms);

#endif
