#include "engine/vm/snapshot.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Spares are made one at a time and not while a create is on its way, so that making them slows nobody. One that is
 * ready takes no CPU: its guest stands still.
 */

enum {
    BUSY_MS = 200,
    AFTER_CREATE_MS = 500, /* in which a first command is usually done */
    WAIT_MAX_MS = 5000,
    COST_BYTES = 96 * 1024 * 1024, /* its private memory and translated code */
};

static bool is_shape(const struct engine_shape *a, const struct engine_shape *b)
{
    return strcmp(a->template_image, b->template_image) == 0 && a->cpu_count == b->cpu_count &&
           a->memory_bytes == b->memory_bytes && a->disk_bytes == b->disk_bytes &&
           a->network == b->network;
}

/* How many processes a machine may have is its guest's affair. */
static struct vm_pool *find(struct engine *engine, const struct engine_shape *shape)
{
    struct vm_pool *pool = engine->pools;
    while (pool && !is_shape(&pool->status.shape, shape)) {
        pool = pool->next;
    }
    return pool;
}

static void count(const struct engine *engine, struct vm_pool *pool)
{
    pool->status.ready = pool->status.preparing = 0;
    for (int i = 0; i < SLOTS_VM; i++) {
        const struct machine *machine = engine->machines[i];
        if (machine && machine->pool == pool) {
            pool->status.ready += machine->state == MACHINE_PARKED;
            pool->status.preparing += machine->state == MACHINE_PREPARING;
        }
    }
}

static bool is_busy(const struct engine *engine)
{
    bool busy = engine->seeds || engine->pending ||
                warm_pace_left_ms(&engine->pace, clock_monotonic_ms()) > 0;
    for (int i = 0; i < SLOTS_VM && !busy; i++) {
        const struct machine *machine = engine->machines[i];
        busy =
            machine && (machine->state == MACHINE_PREPARING || machine->state == MACHINE_STARTING);
    }
    return busy;
}

static void set_problem(struct vm_pool *pool, const struct error *error)
{
    snprintf(pool->status.problem, sizeof(pool->status.problem), "%s", error->message);
    pool->retry_ms = clock_monotonic_ms() + WARM_RETRY_MS;
    log_warn("pool.failed", "engine=vm image=%s error=%s", pool->status.shape.template_image,
             error->message);
}

/* Of all pools, in bytes. */
static int64_t used_bytes(const struct engine *engine)
{
    int64_t machines = 0;
    for (int i = 0; i < SLOTS_VM; i++) {
        machines += engine->machines[i] && engine->machines[i]->pool;
    }
    return machines * COST_BYTES;
}

static int check_refill(const struct engine *engine, const struct engine_shape *wanted,
                        struct vm_shape *ret_shape, struct error *err)
{
    if (wanted->network == ENGINE_NETWORK_EGRESS && engine->context.network_problem[0]) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s", engine->context.network_problem);
    }
    return vm_shape_now(engine, wanted->template_image, wanted->cpu_count, wanted->memory_bytes,
                        wanted->disk_bytes, ret_shape, err) < 0 ||
                   moment_check_space(engine, err) < 0 ||
                   warm_budget_check(engine->context.settings, used_bytes(engine), COST_BYTES,
                                     err) < 0
               ? -1
               : 0;
}

static void make_one(struct engine *engine, struct vm_pool *pool)
{
    const struct engine_shape *wanted = &pool->status.shape;
    struct error error = {0};
    struct vm_shape shape;
    char key[ENGINE_DIGEST_SIZE];
    if (check_refill(engine, wanted, &shape, &error) < 0) {
        set_problem(pool, &error);
        return;
    }
    vm_shape_key(&shape, key);
    if (!seed_exists(engine, key)) {
        if (seed_make(engine, &shape, &error) < 0) {
            set_problem(pool, &error);
        }
        return;
    }
    struct machine *machine =
        machine_new(engine, LAUNCH_NEW, &shape, wanted->network == ENGINE_NETWORK_EGRESS, &error);
    if (!machine) {
        set_problem(pool, &error);
        return;
    }
    machine->pool = pool;
    seed_directory(engine, machine->key, machine->seed_directory);
    if (machine_launch(machine, &machine->error) < 0) {
        machine_fail(machine);
    }
}

/* A spare is not wanted any more. */
static void give_up(struct machine *machine)
{
    machine->pool = NULL;
    machine_end(machine, true);
}

/* Those of a template or a kernel that was built again. */
static void end_stale(struct engine *engine, const struct vm_pool *pool)
{
    const struct engine_shape *wanted = &pool->status.shape;
    struct vm_shape now;
    struct error ignored;
    char key[ENGINE_DIGEST_SIZE];
    if (pool->status.ready == 0 ||
        vm_shape_now(engine, wanted->template_image, wanted->cpu_count, wanted->memory_bytes,
                     wanted->disk_bytes, &now, &ignored) < 0) {
        return;
    }
    vm_shape_key(&now, key);
    for (int i = 0; i < SLOTS_VM; i++) {
        struct machine *machine = engine->machines[i];
        if (machine && machine->pool == pool && machine->state == MACHINE_PARKED &&
            strcmp(machine->key, key) != 0) {
            give_up(machine);
        }
    }
}

static void on_look(void *owner)
{
    struct engine *engine = owner;
    for (const struct vm_pool *pool = engine->pools; pool; pool = pool->next) {
        end_stale(engine, pool);
    }
    vm_pool_update(engine);
}

/* The one that is needed most, or NULL. */
static struct vm_pool *neediest(struct engine *engine)
{
    struct vm_pool *best = NULL;
    int64_t now_ms = clock_monotonic_ms();
    for (struct vm_pool *pool = engine->pools; pool; pool = pool->next) {
        count(engine, pool);
        int64_t missing = pool->status.wanted - pool->status.ready - pool->status.preparing;
        if (missing > 0 && pool->retry_ms <= now_ms &&
            (!best || missing > best->status.wanted - best->status.ready)) {
            best = pool;
        }
    }
    return best;
}

static bool lacks_any(const struct engine *engine)
{
    const struct vm_pool *pool = engine->pools;
    while (pool && pool->status.ready >= pool->status.wanted) {
        pool = pool->next;
    }
    return pool != NULL;
}

void vm_pool_update(struct engine *engine)
{
    if (engine->closing || engine->problem[0] || !engine->pools) {
        return;
    }
    struct vm_pool *pool = is_busy(engine) ? NULL : neediest(engine);
    if (pool) {
        warm_pace_release(&engine->pace);
        make_one(engine, pool);
    }
    neediest(engine); /* counts */
    engine->look.on_due = on_look;
    engine->look.owner = engine;
    event_timer_set(engine->context.loop, &engine->look,
                    lacks_any(engine) ? BUSY_MS : WARM_LOOK_MS);
}

void vm_pool_expect_create(struct engine *engine)
{
    warm_pace_hold(&engine->pace, clock_monotonic_ms(), AFTER_CREATE_MS, WAIT_MAX_MS);
}

void vm_pool_on_parked(struct machine *machine)
{
    struct vm_pool *pool = machine->pool;
    if (!pool) { /* it is not wanted any more */
        machine_end(machine, true);
        return;
    }
    pool->status.refills++;
    pool->status.refill_us += machine->parked_us - machine->prepared_us;
    pool->status.problem[0] = '\0';
    vm_pool_update(machine->engine);
}

void vm_pool_on_failed(struct vm_pool *pool, const struct error *error)
{
    set_problem(pool, error);
}

struct machine *vm_pool_take(struct engine *engine, const struct engine_create *plan,
                             const char *key)
{
    struct engine_shape wanted = {.cpu_count = plan->cpu_count,
                                  .memory_bytes = plan->memory_bytes,
                                  .disk_bytes = plan->disk_bytes,
                                  .network = plan->network};
    memcpy(wanted.template_image, plan->template_image, sizeof(wanted.template_image));
    struct vm_pool *pool = find(engine, &wanted);
    if (!pool || pool->status.wanted == 0) {
        return NULL;
    }
    for (int i = 0; i < SLOTS_VM; i++) {
        struct machine *machine = engine->machines[i];
        if (!machine || machine->pool != pool || machine->state != MACHINE_PARKED) {
            continue;
        }
        struct error error;
        if (strcmp(machine->key, key) == 0 &&
            cgroup_set_background(&engine->cgroups, machine->cgroup, false, &error) == 0) {
            machine->pool = NULL;
            pool->status.hits++;
            return machine;
        }
        give_up(machine); /* usually of a template or a kernel that was built again */
    }
    pool->status.misses++;
    return NULL;
}

/* Ends spares until no more than wanted are left. */
static void shrink(struct engine *engine, struct vm_pool *pool)
{
    for (int i = 0; i < SLOTS_VM; i++) {
        struct machine *machine = engine->machines[i];
        count(engine, pool);
        if (pool->status.ready + pool->status.preparing <= pool->status.wanted) {
            return;
        }
        if (machine && machine->pool == pool) {
            give_up(machine);
        }
    }
}

int vm_pool_set(struct engine *engine, const struct engine_shape *shape, int64_t wanted,
                struct error *err)
{
    struct vm_pool *pool = find(engine, shape);
    if (engine->problem[0] && wanted > 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "virtual machines cannot run here: %s",
                         engine->problem);
    }
    if (wanted > WARM_WANTED_MAX) {
        return error_set(err, ERR_CAPACITY, 0, "at most %d sandboxes of one shape are kept ready",
                         WARM_WANTED_MAX);
    }
    if (!pool && wanted > 0) {
        pool = calloc(1, sizeof(*pool));
        if (!pool) {
            return error_set(err, ERR_INTERNAL, ENOMEM, "make a pool");
        }
        pool->next = engine->pools;
        engine->pools = pool;
    }
    if (pool) {
        pool->status.shape = *shape;
        pool->status.wanted = wanted;
        pool->retry_ms = 0;
        shrink(engine, pool);
        vm_pool_update(engine);
    }
    return 0;
}

int vm_pool_status(struct engine *engine, struct engine_pool **ret_pools, size_t *ret_count,
                   struct error *err)
{
    size_t total = 0;
    for (const struct vm_pool *pool = engine->pools; pool; pool = pool->next) {
        total++;
    }
    struct engine_pool *pools = calloc(total + 1, sizeof(*pools));
    if (!pools) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list pools");
    }
    *ret_count = 0;
    for (struct vm_pool *pool = engine->pools; pool; pool = pool->next) {
        count(engine, pool);
        if (pool->status.wanted > 0) {
            pools[(*ret_count)++] = pool->status;
        }
    }
    *ret_pools = pools;
    return 0;
}

void vm_pools_free(struct engine *engine)
{
    while (engine->pools) {
        struct vm_pool *pool = engine->pools;
        engine->pools = pool->next;
        free(pool);
    }
}
