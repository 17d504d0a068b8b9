/* The domains under which tenants serve their previews instead of ours, one each: what the API reads and changes of the
 * directory. Each change is in the store before it counts. Any thread. */
#ifndef ATOLL_GATEWAY_PREVIEW_DOMAINS_H
#define ATOLL_GATEWAY_PREVIEW_DOMAINS_H

#include "base/error.h"
#include "gateway/directory.h"
#include "store/store_domains.h"

/* So that a label can precede it. */
enum { PREVIEW_DOMAIN_MAX_BYTES = 189 };

/* Claims domain->hostname for domain->tenant_id, instead of what it had. The same name again keeps its token and proof,
 * and its certificate unless there is a new one. The caller keeps its pem. ERR_NAME_TAKEN: another tenant has it proven. */
int directory_put_preview_domain(struct directory *directory, const struct store_domain *domain,
                                 struct error *err);

/* ERR_NOT_FOUND when the tenant has none. The record's pem is the caller's to free(). */
int directory_get_preview_domain(struct directory *directory, const char *tenant_id,
                                 struct store_domain *ret_domain, struct error *err);

/* Records that the tenant has proven the name that the token was made for. ERR_CONFLICT: it claims another one now;
 * ERR_NAME_TAKEN: another tenant was first. */
int directory_prove_preview_domain(struct directory *directory, const char *tenant_id,
                                   const char *token, struct error *err);

/* Having none is success. */
int directory_delete_preview_domain(struct directory *directory, const char *tenant_id,
                                    struct error *err);

#endif
