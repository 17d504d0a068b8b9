#include "engine/vm/internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "engine/vm/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct vm_pending *vm_pending_find(const struct engine *engine, const char *id)
{
    struct vm_pending *pending = engine->pending;
    while (pending && strcmp(pending->plan.id, id) != 0) {
        pending = pending->next;
    }
    return pending;
}

void vm_pending_finish(struct engine *engine, struct vm_pending *pending, const struct error *error)
{
    struct vm_pending **at = &engine->pending;
    while (*at != pending) {
        at = &(*at)->next;
    }
    *at = pending->next;
    struct engine_call *call = pending->call;
    free(pending);
    if (call) {
        call_done(call, error);
    }
}

/* Gives the machine its plan; its launcher's messages do the rest. */
static void take_plan(struct machine *machine, const struct engine_create *plan,
                      struct engine_call *call, int64_t started_us)
{
    machine->plan = *plan;
    machine->call = call;
    machine->started_us = started_us;
}

static void launch(struct engine *engine, enum launch_kind kind, const struct vm_shape *shape,
                   const struct engine_create *plan, struct engine_call *call, int64_t started_us,
                   bool cold)
{
    struct error error = {0};
    struct machine *machine =
        machine_new(engine, kind, shape, plan->network == ENGINE_NETWORK_EGRESS, &error);
    if (!machine) {
        call_done(call, &error);
        return;
    }
    take_plan(machine, plan, call, started_us);
    machine->cold = cold;
    if (kind == LAUNCH_NEW) {
        seed_directory(engine, machine->key, machine->seed_directory);
    } else if (kind == LAUNCH_KEPT) {
        sandbox_directory(engine, plan->id, machine->directory);
    }
    if (machine_launch(machine, &machine->error) < 0) {
        machine_fail(machine);
    }
}

/* NULL when there is no memory; then the call is answered. */
static struct vm_pending *wait(struct engine *engine, const struct engine_create *plan,
                               struct engine_call *call)
{
    struct vm_pending *pending = calloc(1, sizeof(*pending));
    if (!pending) {
        struct error error;
        error_set(&error, ERR_INTERNAL, ENOMEM, "create sandbox %s", plan->id);
        call_done(call, &error);
        return NULL;
    }
    pending->plan = *plan;
    pending->call = call;
    pending->started_us = clock_monotonic_us();
    pending->next = engine->pending;
    engine->pending = pending;
    return pending;
}

static void wait_for_seed(struct engine *engine, const struct vm_shape *shape,
                          const struct engine_create *plan, struct engine_call *call)
{
    struct error error = {0};
    struct vm_pending *pending = wait(engine, plan, call);
    if (pending) {
        pending->shape = *shape;
        vm_shape_key(shape, pending->key);
        if (seed_make(engine, shape, &error) < 0) {
            vm_pending_finish(engine, pending, &error);
        }
    }
}

void vm_create_on_released(struct engine *engine, const char *id)
{
    struct vm_pending *pending = vm_pending_find(engine, id);
    if (pending) {
        struct engine_create plan = pending->plan;
        struct engine_call *call = pending->call;
        pending->call = NULL;
        vm_pending_finish(engine, pending, NULL);
        vm_create(engine, &plan, call);
    }
}

void vm_create_on_seed(struct engine *engine, const char *key, const struct error *error)
{
    struct vm_pending *next;
    for (struct vm_pending *pending = engine->pending; pending; pending = next) {
        next = pending->next;
        if (strcmp(pending->key, key) != 0) {
            continue;
        }
        if (error) {
            vm_pending_finish(engine, pending, error);
            next = engine->pending; /* others may have gone, too */
            continue;
        }
        struct engine_call *call = pending->call;
        struct engine_create plan = pending->plan;
        struct vm_shape shape = pending->shape;
        int64_t started_us = pending->started_us;
        pending->call = NULL;
        vm_pending_finish(engine, pending, NULL);
        launch(engine, LAUNCH_NEW, &shape, &plan, call, started_us, true);
        next = engine->pending;
    }
}

static void create_new(struct engine *engine, const struct vm_shape *shape,
                       const struct engine_create *plan, struct engine_call *call)
{
    int64_t now_us = clock_monotonic_us();
    char key[ENGINE_DIGEST_SIZE];
    vm_shape_key(shape, key);
    struct machine *machine = vm_pool_take(engine, plan, key);
    if (machine) {
        take_plan(machine, plan, call, now_us);
        machine_claim(machine);
        return;
    }
    if (seed_exists(engine, key)) {
        launch(engine, LAUNCH_NEW, shape, plan, call, now_us, false);
    } else {
        wait_for_seed(engine, shape, plan, call);
    }
}

static int check(const struct engine *engine, const struct engine_create *plan, struct error *err)
{
    char path[VM_PATH_SIZE];
    if (engine->problem[0]) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "virtual machines cannot run here: %s",
                         engine->problem);
    }
    if (engine->closing) {
        return error_set(err, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
    }
    bool kept = directory_exists(sandbox_directory(engine, plan->id, path));
    if (machine_find(engine, plan->id) || vm_pending_find(engine, plan->id) ||
        vm_job_works_on(engine, plan->id) || (kept && !plan->keep_disk)) {
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s exists", plan->id);
    }
    if (!plan->keep_disk && moment_check_space(engine, err) < 0) {
        return -1;
    }
    if (plan->snapshot_id[0] && !vm_snapshot_has(engine, plan->snapshot_id)) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "the snapshot %s is not on this host",
                         plan->snapshot_id);
    }
    return plan->keep_disk && !plan->snapshot_id[0] && !kept
               ? error_set(err, ERR_NOT_RESTORABLE, 0, "sandbox %s has no files on this host",
                           plan->id)
               : 0;
}

void vm_create(struct engine *engine, const struct engine_create *plan, struct engine_call *call)
{
    struct error error = {0};
    struct vm_shape shape;
    const struct machine *before = machine_find(engine, plan->id);
    if (plan->keep_disk && before && before->state == MACHINE_ENDING && !before->discard &&
        !vm_pending_find(engine, plan->id)) {
        wait(engine, plan, call); /* for the one whose files it takes over */
        return;
    }
    if (check(engine, plan, &error) < 0 ||
        vm_shape_now(engine, plan->template_image, plan->cpu_count, plan->memory_bytes,
                     plan->disk_bytes, &shape, &error) < 0) {
        call_done(call, &error);
        return;
    }
    FAULT_POINT("host.vm.create.checked");
    vm_pool_expect_create(engine);
    if (!plan->snapshot_id[0] && !plan->keep_disk) {
        create_new(engine, &shape, plan, call);
        return;
    }
    launch(engine, plan->snapshot_id[0] ? LAUNCH_SNAPSHOT : LAUNCH_KEPT, &shape, plan, call,
           clock_monotonic_us(), false);
}
