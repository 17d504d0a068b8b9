#include "engine/container/warm.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

enum {
    /* What one takes that has run a command: its processes, and what the kernel keeps for it. */
    COST_BYTES = 2 * 1024 * 1024,
    AFTER_CREATE_MS = 20,
    WAIT_MAX_MS = 500
};

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

void warm_expect_create(struct engine *engine)
{
    warm_pace_hold(&engine->warm_pace, clock_monotonic_ms(), AFTER_CREATE_MS, WAIT_MAX_MS);
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
    note_problem(slot->pool, &slot->error, warm_is_ready(slot) ? WARM_LOST_MS : WARM_RETRY_MS);
}

static int check_refill(struct engine *engine, const struct engine_shape *shape,
                        struct template_root *ret_root, struct error *err)
{
    struct warm_count all = warm_count(engine, NULL);
    if (shape->network == ENGINE_NETWORK_EGRESS && engine->context.network_problem[0]) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s", engine->context.network_problem);
    }
    return template_find(engine, shape->template_image, ret_root, err) < 0 ||
                   disk_check_space(engine, err) < 0 ||
                   warm_budget_check(engine->context.settings,
                                     (all.ready + all.preparing) * COST_BYTES, COST_BYTES, err) < 0
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
            warm_count(engine, pool).ready < pool->wanted) {
            engine->next_pool = (size_t)(pool - engine->pools) + 1;
            return pool;
        }
    }
    return NULL;
}

static void end_surplus_of(struct engine *engine, const struct warm_pool *pool)
{
    struct template_root now;
    struct error ignored;
    bool built = template_find(engine, pool->shape.template_image, &now, &ignored) == 0;
    int64_t surplus = warm_count(engine, pool).ready - pool->wanted;
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (!slot || slot->pool != pool || !warm_is_ready(slot)) {
            continue;
        }
        bool stale = !built || !template_root_equal(&slot->root, &now);
        if (stale || surplus > 0) {
            surplus--;
            slot_end(slot, true);
        }
    }
}

static void end_surplus(struct engine *engine)
{
    for (size_t i = 0; i < WARM_POOLS_MAX; i++) {
        const struct warm_pool *pool = &engine->pools[i];
        if (pool->shape.template_image[0]) {
            end_surplus_of(engine, pool);
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
        bool missing = warm_count(engine, pool).ready < pool->wanted;
        int64_t due_ms = missing ? pool->retry_ms - now_ms : WARM_LOOK_MS;
        due_ms = due_ms < 1 ? 1 : due_ms;
        wait_ms = wait_ms < 0 || due_ms < wait_ms ? due_ms : wait_ms;
    }
    return wait_ms;
}

void warm_update(struct engine *engine)
{
    int64_t wait_ms = warm_pace_left_ms(&engine->warm_pace, clock_monotonic_ms());
    if (engine->closing || engine->problem[0]) {
        return;
    }
    if (engine->pending && wait_ms < AFTER_CREATE_MS) {
        wait_ms = AFTER_CREATE_MS;
    }
    if (wait_ms > 0) {
        look_again_in(engine, wait_ms);
        return;
    }
    warm_pace_release(&engine->warm_pace);
    end_surplus(engine);
    bool preparing = warm_count(engine, NULL).preparing > 0;
    struct warm_pool *pool = preparing ? NULL : next_missing(engine);
    if (pool) {
        refill(engine, pool);
    }
    wait_ms = preparing ? WARM_LOOK_MS : next_look_ms(engine);
    if (wait_ms > 0) {
        look_again_in(engine, wait_ms);
    }
}
