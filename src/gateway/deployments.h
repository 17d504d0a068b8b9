/* Deployments: what the API reads and changes of the directory. Each change is in the store before it counts. Any thread. */
#ifndef ATOLL_GATEWAY_DEPLOYMENTS_H
#define ATOLL_GATEWAY_DEPLOYMENTS_H

#include "base/error.h"
#include "gateway/directory.h"
#include "store/store_deployments.h"

#include <stdbool.h>
#include <stddef.h>

enum { DEPLOYMENTS_MAX = 1000 }; /* of one tenant */

/* Adds a new deployment, or changes the one with its id. The record's tenant_slug is filled in; its spec stays the
 * caller's (a reference is taken). ERR_NAME_TAKEN: the tenant has another one of that slug; ERR_CAPACITY.
 * ERR_NOT_FOUND: the one to change has gone meanwhile. */
int directory_put_deployment(struct directory *directory, struct store_deployment *deployment,
                             bool is_new, struct error *err);

/* ERR_NOT_FOUND for an unknown or another tenant's. The record's spec is a new reference. */
int directory_get_deployment(struct directory *directory, const char *tenant_id, const char *id,
                             struct store_deployment *ret_deployment, struct error *err);

/* What an earlier try of a request with this Idempotency-Key ("claim" of its spec) made of the sandbox; false: none. */
bool directory_deployment_of_claim(struct directory *directory, const char *tenant_id,
                                   const char *sandbox_id, const char *claim,
                                   struct store_deployment *ret_deployment);

/* A tenant's, newest first. *ret_deployments is the caller's to give to deployments_free(). */
int directory_list_deployments(struct directory *directory, const char *tenant_id,
                               struct store_deployment **ret_deployments, size_t *ret_count,
                               struct error *err);
void deployments_free(struct store_deployment *deployments, size_t count);

int directory_delete_deployment(struct directory *directory, const char *tenant_id, const char *id,
                                struct error *err);

#endif
