/* Inside sandbox/: what is to be kept ready: what the store says, and the settings unless the store does. */
#ifndef ATOLL_SANDBOX_WARM_PLANS_H
#define ATOLL_SANDBOX_WARM_PLANS_H

#include "sandbox/sandbox.h"
#include "store/store_warm_pools.h"

#include <stdlib.h>

struct warm_plans {
    struct store_warm_pool *pools;
    size_t count;
    struct store_warm_pool fallback; /* the settings'; target 0: none */
    bool fallback_replaced;          /* the store has one of that shape */
};

static inline void warm_plans_clear(struct warm_plans *plans)
{
    free(plans->pools);
}

#define auto_warm_plans __attribute__((cleanup(warm_plans_clear)))

/* 0, or -1 with err. */
int warm_plans_read(struct sandboxes *sandboxes, struct warm_plans *plans, struct error *err);

/* The i-th of them, or NULL behind the last one. */
const struct store_warm_pool *warm_plans_at(const struct warm_plans *plans, size_t i);

/* How many of that shape: templates may share an image, and atoll-host keeps what they want together. */
int64_t warm_plans_wanted(struct sandboxes *sandboxes, const struct warm_plans *plans,
                          const struct host_shape *shape);
/* The target of that pool; 0: there is none. */
int64_t warm_plans_target(const struct warm_plans *plans, const struct store_warm_pool *pool);

/* Alike but for the target? */
bool warm_pool_same(const struct store_warm_pool *a, const struct store_warm_pool *b);

/* Of what a create request that says nothing gets, where that is a container. target 0: none. */
void warm_pool_of_settings(struct sandboxes *sandboxes, struct store_warm_pool *ret_pool);

/* As atoll-host knows it. False when the template is not in the catalogue any more. */
bool warm_pool_shape(struct sandboxes *sandboxes, const struct store_warm_pool *pool,
                     struct host_shape *ret_shape);
bool warm_shape_same(const struct host_shape *a, const struct host_shape *b);

#endif
