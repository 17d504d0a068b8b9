/* Deployments: lasting names for a port of a sandbox. */
#ifndef ATOLL_STORE_STORE_DEPLOYMENTS_H
#define ATOLL_STORE_STORE_DEPLOYMENTS_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { DEPLOYMENT_NAME_SIZE = 128, DEPLOYMENT_SLUG_SIZE = 64, TENANT_SLUG_SIZE = 64 };

struct store_deployment {
    char id[ID_SIZE], tenant_id[ID_SIZE], sandbox_id[ID_SIZE];
    char name[DEPLOYMENT_NAME_SIZE], slug[DEPLOYMENT_SLUG_SIZE];
    char tenant_slug[TENANT_SLUG_SIZE]; /* read only: the tenant's */
    int port;
    bool is_stopped;
    json_t *spec; /* what was asked for; owned by whoever holds the record */
    int64_t created_ms, updated_ms;
};

/* Calls visit for each, oldest first; it must not call the store. The record's spec is visit's to take. */
int store_deployments_each(struct store *store,
                           void (*visit)(void *context, struct store_deployment *deployment),
                           void *context, struct error *err);

/* Adds or replaces by id. ERR_NAME_TAKEN: the tenant has another one of that slug. */
int store_deployment_put(struct store *store, const struct store_deployment *deployment,
                         struct error *err);
int store_deployment_delete(struct store *store, const char *id, struct error *err);

/* The tenant's DNS label. */
int store_tenant_slug(struct store *store, const char *tenant_id, char slug[TENANT_SLUG_SIZE],
                      struct error *err);

#endif
