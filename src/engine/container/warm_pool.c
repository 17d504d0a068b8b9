#include "engine/container/warm.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/warm_budget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one takes that has run a command: its processes, and what the kernel keeps for it. */
enum { WARM_COST_BYTES = 2 * 1024 * 1024 };

struct pool_count {
    int64_t ready, preparing;
};

static bool is_ready(const struct slot *slot)
{
    return slot->state == SLOT_WARM;
}

static bool is_preparing(const struct slot *slot)
{
    return slot->state == SLOT_PREPARING || slot->state == SLOT_PARKED ||
           slot->state == SLOT_WARMING;
}

/* Of one pool, or of all (NULL). */
static struct pool_count count(const struct engine *engine, const struct warm_pool *pool)
{
    struct pool_count count = {0};
    for (int i = 0; i < SLOT_COUNT; i++) {
        const struct slot *slot = engine->slots[i];
        if (slot && slot->pool && (!pool || slot->pool == pool)) {
            count.ready += is_ready(slot);
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
        if (slot && slot->pool == pool && is_ready(slot) &&
            template_root_equal(&slot->root, &pending->root)) {
            return slot;
        }
    }
    return NULL;
}

/* --- when to refill --- */

static void on_due(void *owner)
{
    warm_update(owner);
}

static void look_again_in(struct engine *engine, int64_t delay_ms)
{
    engine->warm_timer.on_due = on_due;
    engine->warm_timer.owner = engine;
    event_timer_set(engine->context.loop, &engine->warm_timer, delay_ms);
}

void warm_count_miss(struct engine *engine, const struct engine_create *plan)
{
    struct warm_pool *pool = pool_of(engine, plan);
    if (pool) {
        pool->misses++;
    }
}

void warm_expect_create(struct engine *engine)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!engine->warm_waits_since_ms) {
        engine->warm_waits_since_ms = now_ms;
    }
    int64_t latest_ms = engine->warm_waits_since_ms + WARM_WAIT_MAX_MS;
    int64_t wanted_ms = now_ms + WARM_AFTER_CREATE_MS;
    engine->warm_not_before_ms = wanted_ms < latest_ms ? wanted_ms : latest_ms;
}

/* --- what to make and to end --- */

static void note_problem(struct warm_pool *pool, const struct error *error, int64_t wait_ms)
{
    snprintf(pool->problem, sizeof(pool->problem), "%s", error->message);
    pool->retry_ms = clock_monotonic_ms() + wait_ms;
}

void warm_count_refill(struct slot *slot)
{
    slot->pool->refills++;
    slot->pool->refill_us += clock_monotonic_us() - slot->started_us;
    slot->pool->problem[0] = '\0';
}

void warm_count_failure(struct slot *slot)
{
    log_warn("warm.failed", "slot=%d template=%s error=%s", slot->index,
             slot->pool->shape.template_image, slot->error.message);
    note_problem(slot->pool, &slot->error, is_ready(slot) ? WARM_LOST_MS : WARM_RETRY_MS);
}

static int check_refill(struct engine *engine, const struct engine_shape *shape,
                        struct template_root *ret_root, struct error *err)
{
    struct pool_count all = count(engine, NULL);
    if (shape->network == ENGINE_NETWORK_EGRESS && engine->context.network_problem[0]) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s", engine->context.network_problem);
    }
    return template_find(engine, shape->template_image, ret_root, err) < 0 ||
                   disk_check_space(engine, err) < 0 ||
                   warm_budget_check(engine->context.settings,
                                     (all.ready + all.preparing) * WARM_COST_BYTES, WARM_COST_BYTES,
                                     err) < 0
               ? -1
               : 0;
}

static void refill(struct engine *engine, struct warm_pool *pool)
{
    struct error error = {0};
    struct template_root root;
    if (check_refill(engine, &pool->shape, &root, &error) < 0) {
        note_problem(pool, &error, WARM_RETRY_MS);
        return;
    }
    int index = pool_free_index(engine);
    struct slot *slot =
        index < 0 ? NULL : slot_new(engine, index, pool->shape.network == ENGINE_NETWORK_EGRESS);
    if (!slot) {
        error_set(&error, ERR_CAPACITY, 0, "all %d sandbox slots are in use", SLOT_COUNT);
        note_problem(pool, &error, WARM_RETRY_MS);
        return;
    }
    slot->pool = pool;
    slot->started_us = clock_monotonic_us();
    if (slot_prepare(slot, &root, pool->shape.disk_bytes, &slot->error) < 0) {
        warm_count_failure(slot);
        slot_end(slot, true);
    }
}

/* The pool whose turn it is, or NULL. */
static struct warm_pool *next_missing(struct engine *engine)
{
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < WARM_POOLS_MAX; i++) {
        struct warm_pool *pool = &engine->pools[(engine->next_pool + i) % WARM_POOLS_MAX];
        if (pool->wanted > 0 && pool->retry_ms <= now_ms &&
            count(engine, pool).ready < pool->wanted) {
            engine->next_pool = (size_t)(pool - engine->pools) + 1;
            return pool;
        }
    }
    return NULL;
}

static bool is_stale(struct engine *engine, const struct slot *slot)
{
    struct template_root now;
    struct error ignored;
    return template_find(engine, slot->pool->shape.template_image, &now, &ignored) < 0 ||
           !template_root_equal(&slot->root, &now);
}

static void end_surplus(struct engine *engine)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot && slot->pool && is_ready(slot) &&
            (count(engine, slot->pool).ready > slot->pool->wanted || is_stale(engine, slot))) {
            slot_end(slot, true);
        }
    }
}

/* When the next refill may begin, or something may have changed; -1: nothing is wanted. */
static int64_t next_look_ms(const struct engine *engine)
{
    int64_t now_ms = clock_monotonic_ms(), wait_ms = -1;
    for (size_t i = 0; i < WARM_POOLS_MAX; i++) {
        const struct warm_pool *pool = &engine->pools[i];
        if (pool->wanted == 0) {
            continue;
        }
        bool missing = count(engine, pool).ready < pool->wanted;
        int64_t due_ms = missing ? pool->retry_ms - now_ms : WARM_LOOK_MS;
        due_ms = due_ms < 1 ? 1 : due_ms;
        wait_ms = wait_ms < 0 || due_ms < wait_ms ? due_ms : wait_ms;
    }
    return wait_ms;
}

void warm_update(struct engine *engine)
{
    int64_t wait_ms = engine->warm_not_before_ms - clock_monotonic_ms();
    if (engine->closing || engine->problem[0]) {
        return;
    }
    if (engine->pending && wait_ms < WARM_AFTER_CREATE_MS) {
        wait_ms = WARM_AFTER_CREATE_MS;
    }
    if (wait_ms > 0) {
        look_again_in(engine, wait_ms);
        return;
    }
    end_surplus(engine);
    bool preparing = count(engine, NULL).preparing > 0;
    struct warm_pool *pool = preparing ? NULL : next_missing(engine);
    if (pool) {
        engine->warm_waits_since_ms = 0;
        refill(engine, pool);
    }
    wait_ms = preparing ? WARM_LOOK_MS : next_look_ms(engine);
    if (wait_ms > 0) {
        look_again_in(engine, wait_ms);
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
    struct pool_count now = count(engine, pool);
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
