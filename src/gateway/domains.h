/* Custom host names: what the API reads and changes of the directory. Each change is in the store before it counts. Any
 * thread. */
#ifndef ATOLL_GATEWAY_DOMAINS_H
#define ATOLL_GATEWAY_DOMAINS_H

#include "base/error.h"
#include "gateway/directory.h"
#include "store/store_domains.h"

#include <stdbool.h>
#include <stddef.h>

enum { DOMAINS_MAX = 1000 }; /* of one tenant */

/* Is it a name that can be somebody's own: well-formed (host_name_valid) and not below settings->domain? ERR_VALIDATION
 * naming the field otherwise. */
int domain_check_hostname(const struct settings *settings, const char *field, const char *hostname,
                          struct error *err);

/* Adds a new domain, or changes the one with its id. The caller keeps its pem. ERR_NAME_TAKEN: the tenant has it already,
 * or another one has it verified, or has a verified preview domain that it lies in. ERR_CAPACITY. ERR_NOT_FOUND: the one
 * to change has gone meanwhile. */
int directory_put_domain(struct directory *directory, const struct store_domain *domain,
                         bool is_new, struct error *err);

/* ERR_NOT_FOUND when the tenant has no such domain. The record's pem is the caller's to free(). */
int directory_get_domain(struct directory *directory, const char *tenant_id, const char *hostname,
                         struct store_domain *ret_domain, struct error *err);

/* A tenant's, newest first, or only those that lead to the deployment (not NULL); without their pem (is it there: a
 * borrowed, empty text). *ret_domains is the caller's to free(). */
int directory_list_domains(struct directory *directory, const char *tenant_id,
                           const char *deployment_id, struct store_domain **ret_domains,
                           size_t *ret_count, struct error *err);

int directory_delete_domain(struct directory *directory, const char *tenant_id,
                            const char *hostname, struct error *err);

/* The text that proves control of a claimed host name, when path asks for it and no second tenant claims the name, or a
 * preview domain above it. false: none. Never blocks on I/O. */
bool directory_challenge(struct directory *directory, const char *hostname, const char *path,
                         char *text, size_t size);

#endif
