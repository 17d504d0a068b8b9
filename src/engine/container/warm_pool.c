#include "engine/container/warm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_preparing(const struct slot *slot)
{
    return slot->state == SLOT_PREPARING || slot->state == SLOT_PARKED ||
           slot->state == SLOT_WARMING;
}

struct warm_count warm_count(const struct engine *engine, const struct warm_pool *pool)
{
    struct warm_count count = {0};
    for (int i = 0; i < SLOT_COUNT; i++) {
        const struct slot *slot = engine->slots[i];
        if (slot && slot->pool && (!pool || slot->pool == pool)) {
            count.ready += warm_is_ready(slot);
            count.preparing += is_preparing(slot);
        }
    }
    return count;
}

static bool shape_equal(const struct engine_shape *a, const struct engine_shape *b)
{
    return a->cpu_count == b->cpu_count && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->process_limit == b->process_limit &&
           a->network == b->network && strcmp(a->template_image, b->template_image) == 0;
}

static struct warm_pool *find_pool(struct engine *engine, const struct engine_shape *shape)
{
    for (size_t i = 0; i < WARM_POOLS_MAX; i++) {
        struct warm_pool *pool = &engine->pools[i];
        if (pool->wanted > 0 && shape_equal(&pool->shape, shape)) {
            return pool;
        }
    }
    return NULL;
}

/* Continued or copied files have a history that one made ahead does not have. */
static struct warm_pool *pool_of(struct engine *engine, const struct engine_create *plan)
{
    if (plan->keep_disk || plan->snapshot_id[0]) {
        return NULL;
    }
    struct engine_shape shape = {.cpu_count = plan->cpu_count,
                                 .memory_bytes = plan->memory_bytes,
                                 .disk_bytes = plan->disk_bytes,
                                 .process_limit = plan->process_limit,
                                 .network = plan->network};
    memcpy(shape.template_image, plan->template_image, sizeof(shape.template_image));
    return find_pool(engine, &shape);
}

struct slot *warm_find(struct engine *engine, const struct pending_create *pending)
{
    const struct warm_pool *pool = pool_of(engine, &pending->plan);
    for (int i = 0; pool && i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot && slot->pool == pool && warm_is_ready(slot) &&
            template_root_equal(&slot->root, &pending->root)) {
            return slot;
        }
    }
    return NULL;
}

void warm_count_miss(struct engine *engine, const struct engine_create *plan)
{
    struct warm_pool *pool = pool_of(engine, plan);
    if (pool) {
        pool->misses++;
    }
}

/* --- the engine's operations --- */

/* One that nothing belongs to any more. */
static struct warm_pool *free_pool(struct engine *engine)
{
    for (size_t i = 0; i < WARM_POOLS_MAX; i++) {
        struct warm_pool *pool = &engine->pools[i];
        bool used = pool->wanted > 0;
        for (int slot = 0; slot < SLOT_COUNT && !used; slot++) {
            used = engine->slots[slot] && engine->slots[slot]->pool == pool;
        }
        if (!used) {
            return pool;
        }
    }
    return NULL;
}

int container_pool_set(struct engine *engine, const struct engine_shape *shape, int64_t wanted,
                       struct error *err)
{
    struct warm_pool *pool = find_pool(engine, shape);
    if (wanted > WARM_WANTED_MAX) {
        return error_set(err, ERR_CAPACITY, 0, "at most %d sandboxes of one shape are kept ready",
                         WARM_WANTED_MAX);
    }
    if (!pool && wanted > 0) {
        pool = free_pool(engine);
        if (!pool) {
            return error_set(err, ERR_CAPACITY, 0, "there are %d warm pools already",
                             WARM_POOLS_MAX);
        }
        *pool = (struct warm_pool){.shape = *shape};
    }
    if (pool) {
        pool->wanted = wanted;
        pool->retry_ms = 0;
        warm_update(engine);
    }
    return 0;
}

static void describe(const struct engine *engine, const struct warm_pool *pool,
                     struct engine_pool *ret_pool)
{
    struct warm_count now = warm_count(engine, pool);
    *ret_pool = (struct engine_pool){.shape = pool->shape,
                                     .wanted = pool->wanted,
                                     .ready = now.ready,
                                     .preparing = now.preparing,
                                     .hits = pool->hits,
                                     .misses = pool->misses,
                                     .refills = pool->refills,
                                     .refill_us = pool->refill_us};
    memcpy(ret_pool->problem, engine->problem[0] ? engine->problem : pool->problem,
           sizeof(ret_pool->problem));
}

int container_pool_status(struct engine *engine, struct engine_pool **ret_pools, size_t *ret_count,
                          struct error *err)
{
    struct engine_pool *pools = calloc(WARM_POOLS_MAX, sizeof(*pools));
    if (!pools) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list the warm pools");
    }
    *ret_count = 0;
    for (size_t i = 0; i < WARM_POOLS_MAX; i++) {
        if (engine->pools[i].wanted > 0) {
            describe(engine, &engine->pools[i], &pools[(*ret_count)++]);
        }
    }
    *ret_pools = pools;
    return 0;
}
