/*
 * Sandboxes that run before anybody asks for them. A warm slot belongs to a pool from its preparation on:
 * its sandbox is complete but for an id, host name and the name of its disk, its agent has run a command.
 * A create of the pool's shape claims it. A claim that fails is carried out the usual way.
 */
#ifndef ATOLL_ENGINE_CONTAINER_WARM_H
#define ATOLL_ENGINE_CONTAINER_WARM_H

#include "engine/container/internal.h"

/* warm_slot.c: one of them. */
/* Its process is parked: it becomes an agent that nobody knows. */
void warm_start(struct slot *slot);
/* Its agent runs. */
void warm_started(struct slot *slot);
/* Gives it the identity of a sandbox that waits; answers its call in the end. */
void warm_claim(struct slot *slot, const struct pending_create *pending);
/* It will not be a sandbox, because of slot->error. It may be freed when this returns. */
void warm_fail(struct slot *slot);

/* warm_pool.c: how many of which shape. */
struct warm_count {
    int64_t ready, preparing;
};
/* Of one pool, or of all (NULL). */
struct warm_count warm_count(const struct engine *engine, const struct warm_pool *pool);
static inline bool warm_is_ready(const struct slot *slot)
{
    return slot->state == SLOT_WARM;
}
/* As in engine.h. */
int container_pool_set(struct engine *engine, const struct engine_shape *shape, int64_t wanted,
                       struct error *err);
int container_pool_status(struct engine *engine, struct engine_pool **ret_pools, size_t *ret_count,
                          struct error *err);
/* One that is like what the create asks for, or NULL. */
struct slot *warm_find(struct engine *engine, const struct pending_create *pending);
/* One that there might have been a pool for starts cold. */
void warm_count_miss(struct engine *engine, const struct engine_create *plan);

/* warm_refill.c: when they are made. */
/* A create begins: refills wait for a moment. */
void warm_expect_create(struct engine *engine);
/* Makes what is missing, ends what is too many or of a template that was built anew. */
void warm_update(struct engine *engine);
void warm_count_refill(struct slot *slot);
void warm_count_failure(struct slot *slot);

#endif
