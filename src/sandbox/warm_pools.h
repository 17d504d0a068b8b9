/*
 * Sandboxes that are kept ready for create: which, and that atoll-host knows it. They belong to nobody
 * until a create claims one, so pools are the operator's and serve all tenants. Any thread.
 */
#ifndef ATOLL_SANDBOX_WARM_POOLS_H
#define ATOLL_SANDBOX_WARM_POOLS_H

#include "sandbox/sandbox.h"

enum { WARM_TARGET_MAX = 64 };

/* The pools of a template, with what atoll-host says of them. */
int warm_pools_get(struct sandboxes *sandboxes, const struct template_definition *definition,
                   json_t **ret_json, struct error *err);

/* Sets the target of one pool of the template: {"target": n} with the members of a create request that make
 * a shape, absent ones as there. Answers as warm_pools_get. */
int warm_pools_set(struct sandboxes *sandboxes, const struct template_definition *definition,
                   json_t *request, json_t **ret_json, struct error *err);

/* Tells atoll-host all of them. It forgets them when it ends. */
void warm_pools_send(struct sandboxes *sandboxes);

#endif
