#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "linux/process.h"

#include <fcntl.h>
#include <stdio.h>

enum { POLL_MS = 1, FREEZE_MAX_MS = 10 * 1000 };

static struct engine_call *take_call(struct slot *slot)
{
    struct engine_call *call = slot->call;
    slot->call = NULL;
    return call;
}

static void answer_frozen(struct engine_call *call)
{
    call->state = ENGINE_STATE_FROZEN;
    call_done(call, NULL);
}

static void give_up(struct slot *slot, const struct error *error)
{
    struct error ignored;
    cgroup_set_frozen(&slot->engine->cgroups, slot->cgroup, false, &ignored);
    slot_move(slot, SLOT_RUNNING);
    call_done(take_call(slot), error);
}

static void on_written(void *owner, int wait_status)
{
    struct slot *slot = owner;
    if (wait_status != 0) {
        struct error error;
        error_set(&error, ERR_ENGINE, 0, "the files of sandbox %s cannot be written to disk",
                  slot->plan.id);
        give_up(slot, &error);
        return;
    }
    FAULT_POINT("host.freeze.written");
    slot_move(slot, SLOT_FROZEN);
    record_set_state(slot->record, RECORD_FROZEN);
    FAULT_POINT("host.freeze.recorded");
    answer_frozen(take_call(slot));
}

/* Everything is frozen, so what is written now is all there is. May take long: a helper. */
static void write_files(struct slot *slot)
{
    struct error error;
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/root", slot->record->pid);
        auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _exit(fd < 0 || syncfs(fd) < 0 || disk_write_back(slot->engine, slot->plan.id) < 0);
    }
    if (pid < 0 ||
        event_child_add(slot->engine->context.loop, &slot->helper, pid, on_written, slot) < 0) {
        error_set(&error, ERR_INTERNAL, errno, "fork");
        give_up(slot, &error);
    }
}

static void poll_frozen(void *owner)
{
    struct slot *slot = owner;
    int frozen = cgroup_is_frozen(&slot->engine->cgroups, slot->cgroup);
    if (frozen == 1) {
        FAULT_POINT("host.freeze.frozen");
        write_files(slot);
        return;
    }
    if (clock_monotonic_ms() - slot->since_ms > FREEZE_MAX_MS) {
        struct error error;
        error_set(&error, ERR_ENGINE, 0, "the processes of sandbox %s do not stop", slot->plan.id);
        give_up(slot, &error);
        return;
    }
    event_timer_set(slot->engine->context.loop, &slot->timer, POLL_MS);
}

/* The slot to act on, or NULL after answering the call. */
static struct slot *find(struct engine *engine, const char *id, struct engine_call *call)
{
    struct error error;
    struct slot *slot = slot_find(engine, id);
    if (slot && (slot->state == SLOT_RUNNING || slot->state == SLOT_FROZEN)) {
        return slot;
    }
    if (slot) {
        error_set(&error, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
    } else {
        error_set(&error, disk_exists(engine, id) ? ERR_NOT_RUNNING : ERR_NOT_FOUND, 0,
                  "sandbox %s does not run", id);
    }
    call_done(call, &error);
    return NULL;
}

void container_freeze(struct engine *engine, const char *id, struct engine_call *call)
{
    struct error error;
    struct slot *slot = find(engine, id, call);
    if (!slot) {
        return;
    }
    if (slot->state == SLOT_FROZEN) {
        answer_frozen(call);
        return;
    }
    if (cgroup_set_frozen(&engine->cgroups, slot->cgroup, true, &error) < 0) {
        call_done(call, &error);
        return;
    }
    FAULT_POINT("host.freeze.begun");
    slot->call = call;
    slot_move(slot, SLOT_FREEZING);
    slot->since_ms = clock_monotonic_ms();
    slot->timer.on_due = poll_frozen;
    poll_frozen(slot);
}

void container_thaw(struct engine *engine, const char *id, struct engine_call *call)
{
    struct error error;
    struct slot *slot = find(engine, id, call);
    if (!slot) {
        return;
    }
    if (slot->state == SLOT_FROZEN) {
        if (cgroup_set_frozen(&engine->cgroups, slot->cgroup, false, &error) < 0) {
            call_done(call, &error);
            return;
        }
        FAULT_POINT("host.thaw.thawed");
        slot_move(slot, SLOT_RUNNING);
        record_set_state(slot->record, RECORD_RUNNING);
        FAULT_POINT("host.thaw.recorded");
    }
    call_done(call, NULL);
}
