#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "linux/loop_device.h"
#include "linux/process.h"

#include <stdlib.h>
#include <string.h>

/* What the kernel does after the last process (unmount, cgroup, network) it does soon, unasked. */
enum { POLL_MIN_MS = 1, POLL_MAX_MS = 100, LATE_MS = 30 * 1000 };

static bool disk_released(const struct slot *slot)
{
    char path[CONTAINER_PATH_SIZE];
    if (slot->helper.source.fd >= 0 || slot->record->discard_disk) {
        return slot->record->discard_disk; /* nobody waits for a disk that is to go */
    }
    return slot->record->loop_number < 0 || !slot->plan.id[0] ||
           !loop_holds(slot->record->loop_number, disk_path(slot->engine, slot->plan.id, path));
}

/* A stop is answered when the host's disk has the files. */
static void write_back(struct slot *slot)
{
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        _exit(disk_write_back(slot->engine, slot->plan.id) < 0);
    }
    if (pid > 0) {
        event_child_add(slot->engine->context.loop, &slot->helper, pid, slot_helper_done, slot);
    }
}

static bool interface_gone(const struct slot *slot)
{
    char path[64];
    snprintf(path, sizeof(path), "/sys/class/net/%s", slot->interface);
    return access(path, F_OK) < 0;
}

/* Tells everybody who waits for the end: its processes are gone, its files flushed or gone. */
static void answer(struct slot *slot)
{
    struct engine_call *calls = slot->end_calls, *create = slot->call;
    slot->end_calls = NULL;
    slot->call = NULL;
    if (create) {
        call_done(create, &slot->error);
    }
    while (calls) {
        struct engine_call *call = calls;
        calls = call->next;
        call_done(call, NULL);
    }
}

static void give_back(struct slot *slot)
{
    struct engine *engine = slot->engine;
    trash_release_slot_disk(slot);
    memset(slot->record->id, 0, sizeof(slot->record->id));
    record_set_state(slot->record, RECORD_FREE);
    engine->slots[slot->index] = NULL;
    free(slot);
    container_check_closed(engine);
}

static void poll_clean(void *owner)
{
    struct slot *slot = owner;
    bool released = slot->disk_released || disk_released(slot);
    if (released && !slot->written_back && slot->end_calls && !slot->record->discard_disk) {
        slot->written_back = true;
        write_back(slot);
        released = false;
    }
    if (!slot->disk_released && released) {
        slot->disk_released = true;
        FAULT_POINT("host.destroy.released");
        answer(slot);
    }
    bool cgroups_gone = cgroup_remove(&slot->engine->cgroups, slot->cgroup) == 0;
    if (!cgroups_gone) {
        cgroup_kill(&slot->engine->cgroups, slot->cgroup);
    }
    if (slot->disk_released && cgroups_gone && interface_gone(slot) &&
        !trash_holds_slot_disk(slot)) {
        give_back(slot);
        return;
    }
    int64_t age_ms = clock_monotonic_ms() - slot->since_ms;
    if (age_ms > LATE_MS) {
        log_warn("slot.late", "slot=%d disk=%d cgroups=%d interface=%d", slot->index,
                 !slot->disk_released, !cgroups_gone, !interface_gone(slot));
        slot->since_ms = clock_monotonic_ms();
    }
    int64_t wait_ms = age_ms / 4 < POLL_MIN_MS ? POLL_MIN_MS : age_ms / 4;
    event_timer_set(slot->engine->context.loop, &slot->timer,
                    wait_ms < POLL_MAX_MS ? wait_ms : POLL_MAX_MS);
}

struct slot *slot_holding_disk(struct engine *engine, const char *id)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot && slot->state == SLOT_CLEANING && !slot->disk_released &&
            strcmp(slot->plan.id, id) == 0) {
            return slot;
        }
    }
    return NULL;
}

void slot_helper_done(void *owner, int wait_status)
{
    /* Only that it ended matters; whoever polls sees it. */
    (void)owner;
    (void)wait_status;
}

void slot_clean(struct slot *slot)
{
    slot_move(slot, SLOT_CLEANING);
    unlink(slot->agent_socket);
    slot->since_ms = clock_monotonic_ms();
    slot->timer.on_due = poll_clean;
    poll_clean(slot);
}
