#include "engine/container/warm.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "linux/process.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static void discard_disk(struct slot *slot)
{
    char spare[ID_SIZE];
    disk_drop_writes(slot->disk_fd);
    snprintf(spare, sizeof(spare), "slot-%d", slot->index);
    trash_slot_disk(
        slot, slot->plan.id[0] && disk_exists(slot->engine, slot->plan.id) ? slot->plan.id : spare);
}

/* Closing the last descriptor of a file system unmounts it, which writes what is dirty. While the
 * sandbox's process lives, the unmount is its; afterwards a helper is made to be the last. */
static void close_disk(struct slot *slot)
{
    int gate[2];
    if (slot->process.source.fd < 0 && slot->disk_fd >= 0 && pipe2(gate, O_CLOEXEC) == 0) {
        pid_t pid = process_fork_helper();
        if (pid == 0) {
            char byte;
            int keep[2] = {slot->disk_fd < gate[0] ? slot->disk_fd : gate[0],
                           slot->disk_fd < gate[0] ? gate[0] : slot->disk_fd};
            process_close_others(keep, 2);
            _exit(read(gate[0], &byte, 1) != 0);
        }
        slot->disk_fd = close_fd(slot->disk_fd);
        close_fd(gate[0]);
        close_fd(gate[1]);
        if (pid > 0) {
            event_child_add(slot->engine->context.loop, &slot->helper, pid, slot_helper_done, slot);
        }
    }
    slot->disk_fd = close_fd(slot->disk_fd);
}

static void kill_processes(struct slot *slot)
{
    if (slot->process.source.fd >= 0) {
        process_signal(slot->process.source.fd, SIGKILL);
    }
    if (slot->engine->cgroups.mode == CGROUP_MODE_V1 &&
        (slot->state == SLOT_FREEZING || slot->state == SLOT_FROZEN)) {
        struct error ignored; /* a process that the v1 freezer holds cannot die */
        cgroup_set_frozen(&slot->engine->cgroups, slot->cgroup, false, &ignored);
    }
}

/* A freeze that was in progress when the sandbox ended. */
static void fail_freeze(struct slot *slot)
{
    struct engine_call *call = slot->state == SLOT_FREEZING ? slot->call : NULL;
    if (call) {
        struct error error;
        slot->call = NULL;
        error_set(&error, ERR_NOT_RUNNING, 0, "sandbox %s ended", slot->plan.id);
        call_done(call, &error);
    }
}

static void record_ending(struct slot *slot, bool discard)
{
    if (discard || slot->state != SLOT_ENDING) {
        slot->record->discard_disk = discard;
    }
    if (slot->plan.id[0]) {
        record_set_state(slot->record, RECORD_ENDING);
    }
}

void slot_end(struct slot *slot, bool discard)
{
    if (slot->state == SLOT_CLEANING) {
        return;
    }
    snapshot_lose_slot(slot);
    record_ending(slot, discard);
    FAULT_POINT("host.destroy.recorded");
    if (discard) {
        discard_disk(slot);
    }
    if (slot->state == SLOT_ENDING) {
        return;
    }
    event_source_close(slot->engine->context.loop, &slot->socket);
    agent_call_close(&slot->agent);
    event_timer_clear(slot->engine->context.loop, &slot->timer);
    event_child_remove(&slot->helper);
    close_disk(slot);
    kill_processes(slot);
    FAULT_POINT("host.destroy.killed");
    fail_freeze(slot);
    slot_move(slot, SLOT_ENDING);
    if (slot->process.source.fd < 0) {
        slot_clean(slot);
    }
}

static void describe_end(const struct slot *slot, int wait_status, struct engine_ended *ended)
{
    char *reason = ended->reason;
    memcpy(ended->id, slot->plan.id, sizeof(ended->id));
    if (wait_status < 0) {
        snprintf(reason, ENGINE_REASON_SIZE, "the sandbox's first process ended");
    } else if (WIFSIGNALED(wait_status)) {
        snprintf(reason, ENGINE_REASON_SIZE,
                 "the sandbox's first process was killed by signal %d (SIG%s)",
                 WTERMSIG(wait_status), sigabbrev_np(WTERMSIG(wait_status)));
    } else {
        snprintf(reason, ENGINE_REASON_SIZE, "the sandbox's first process exited with status %d",
                 WEXITSTATUS(wait_status));
    }
    size_t used = strlen(reason);
    if (ended->oom_kills > 0) {
        snprintf(reason + used, ENGINE_REASON_SIZE - used,
                 "; the kernel killed %lld of its processes because its memory was used up",
                 (long long)ended->oom_kills);
    }
}

static void report_end(struct slot *slot, int wait_status)
{
    struct engine_ended ended = {.oom_kills = slot_oom_kills(slot)};
    describe_end(slot, wait_status, &ended);
    log_warn("sandbox.ended", "id=%s oom_kills=%lld reason=%s", ended.id,
             (long long)ended.oom_kills, ended.reason);
    slot->engine->context.on_ended(slot->engine->context.owner, &ended);
}

void slot_on_process_exit(void *owner, int wait_status)
{
    struct slot *slot = owner;
    switch (slot->state) {
    case SLOT_RUNNING:
    case SLOT_FREEZING:
    case SLOT_FROZEN:
    case SLOT_SNAPSHOTTING:
        report_end(slot, wait_status);
        slot_end(slot, false);
        break;
    case SLOT_ENDING:
        slot_clean(slot);
        break;
    case SLOT_WARMING:
        if (slot->socket.fd < 0) {
            warm_fail(slot);
        }
        break;
    case SLOT_WARM:
    case SLOT_CLAIMING:
        warm_fail(slot);
        break;
    default:
        /* Before it ran: the end of its connection tells, with the reason that it sent. */
        break;
    }
}

static void cancel_pending(struct engine *engine, const char *id)
{
    for (struct pending_create *pending = engine->pending; pending; pending = pending->next) {
        if (strcmp(pending->plan.id, id) == 0) {
            struct error error;
            error_set(&error, ERR_CANCELLED, 0, "sandbox %s was destroyed", id);
            pending_finish(pending, &error);
            return;
        }
    }
}

void container_destroy(struct engine *engine, const char *id, bool keep_disk,
                       struct engine_call *call)
{
    struct slot *slot = slot_find(engine, id);
    if (slot) {
        call->next = slot->end_calls;
        slot->end_calls = call;
        if (slot->state == SLOT_STARTING || slot->state == SLOT_CLAIMING) {
            error_set(&slot->error, ERR_CANCELLED, 0, "sandbox %s was destroyed", id);
        }
        slot_end(slot, !keep_disk || slot->state == SLOT_CLAIMING);
        return;
    }
    slot = keep_disk ? slot_holding_disk(engine, id) : NULL;
    if (slot) {
        call->next = slot->end_calls;
        slot->end_calls = call;
        return;
    }
    cancel_pending(engine, id);
    if (!keep_disk) {
        trash_disk(engine, id);
    }
    call_done(call, NULL);
}
