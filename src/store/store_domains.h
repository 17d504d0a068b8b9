/* Host names that users bring, and the deployments that they lead to. */
#ifndef ATOLL_STORE_STORE_DOMAINS_H
#define ATOLL_STORE_STORE_DOMAINS_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store.h"

#include <stdint.h>

enum { HOSTNAME_SIZE = 256, DOMAIN_TOKEN_SIZE = 48 };

struct store_domain {
    char id[ID_SIZE], tenant_id[ID_SIZE];
    char hostname[HOSTNAME_SIZE];
    char deployment_id[ID_SIZE]; /* "" = none */
    char redirect_policy[16];
    char token[DOMAIN_TOKEN_SIZE]; /* what proves control when it appears in DNS or in the file */
    char *pem;                     /* certificate chain and key, or NULL; owned by whoever holds the record */
    int64_t certificate_expires_ms;
    int64_t verified_ms; /* 0 = pending */
    int64_t created_ms, updated_ms;
};

/* Calls visit for each, oldest first; it must not call the store. The record's pem is visit's to take. */
int store_domains_each(struct store *store,
                       void (*visit)(void *context, struct store_domain *domain), void *context,
                       struct error *err);

/* Adds or replaces by id. ERR_NAME_TAKEN: another tenant has it verified. */
int store_domain_put(struct store *store, const struct store_domain *domain, struct error *err);
int store_domain_delete(struct store *store, const char *id, struct error *err);

/* The domains under which tenants serve their previews, one a tenant: records without id, deployment and policy. As
 * above; put replaces the tenant's. */
int store_preview_domains_each(struct store *store,
                               void (*visit)(void *context, struct store_domain *domain),
                               void *context, struct error *err);
int store_preview_domain_put(struct store *store, const struct store_domain *domain,
                             struct error *err);
int store_preview_domain_delete(struct store *store, const char *tenant_id, struct error *err);

#endif
