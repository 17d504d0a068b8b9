#include "sandbox/internal.h"

#include "agentclient/agentclient.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* Runs call without the mutex; a lost connection leaves the outcome to reconcile. */
#define WITHOUT_MUTEX(sandbox, call, err)                                                          \
    __extension__({                                                                                \
        pthread_mutex_unlock(&(sandbox)->mutex);                                                   \
        int outcome = (call);                                                                      \
        pthread_mutex_lock(&(sandbox)->mutex);                                                     \
        if (outcome < 0 && (err)->code == ERR_HOST_UNAVAILABLE) {                                  \
            (sandbox)->unresolved = true;                                                          \
        }                                                                                          \
        outcome;                                                                                   \
    })

int change_host_destroy(struct sandboxes *sandboxes, struct sandbox *sandbox, bool keep_disk,
                        struct error *err)
{
    return WITHOUT_MUTEX(sandbox, host_destroy(sandboxes->host, sandbox->record.id, keep_disk, err),
                         err);
}

int change_host_freeze(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       enum host_state *ret_state, struct error *err)
{
    return WITHOUT_MUTEX(sandbox, host_freeze(sandboxes->host, sandbox->record.id, ret_state, err),
                         err);
}

int change_host_thaw(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err)
{
    return WITHOUT_MUTEX(sandbox, host_thaw(sandboxes->host, sandbox->record.id, err), err);
}

int change_host_snapshot(struct sandboxes *sandboxes, struct sandbox *sandbox,
                         const char *snapshot_id, struct host_snapshot *ret_snapshot,
                         struct error *err)
{
    const struct sandbox_record *record = &sandbox->record; /* changed by the busy thread only */
    return WITHOUT_MUTEX(sandbox,
                         host_snapshot(sandboxes->host, record->id, snapshot_id, record->image_id,
                                       ret_snapshot, err),
                         err);
}

/* Its agent does not answer: nothing of the attempt is left. */
static void undo_start(struct sandboxes *sandboxes, const char *id, bool keep_disk,
                       struct error *err)
{
    struct error undo = {0};
    error_prefix(err, "sandbox %s: its agent", id);
    if (host_destroy(sandboxes->host, id, keep_disk, &undo) < 0) {
        log_warn("sandbox.undo_failed", "id=%s error=%s", id, undo.message);
        err->code = ERR_HOST_UNAVAILABLE; /* so that reconcile tries again */
    }
    watch_request_reconcile(sandboxes); /* what memory it had is not on disk any more */
}

int refuse_memory(const char *problem, struct error *err)
{
    error_set(err, ERR_NOT_RESTORABLE, 0, "the snapshot's processes cannot go on here: %s",
              problem);
    return error_hint(err, "Send \"memory\": false to start new processes on its files.");
}

/* It runs on the snapshot's files, and its processes were asked for. */
static int undo_without_memory(struct sandboxes *sandboxes, const struct host_create *request,
                               struct error *err)
{
    char problem[200] = "";
    if (host_destroy(sandboxes->host, request->id, request->keep_disk, err) < 0 ||
        host_snapshot_check(sandboxes->host, request->snapshot, request->snapshot_digest,
                            request->template_image, problem, err) < 0) {
        return -1;
    }
    return refuse_memory(problem[0] ? problem : "see the host's log", err);
}

/* How the kept files came to run: made ahead or not, they were not made for this run. */
static const char *boot_path_of(const struct host_created *created, bool kept)
{
    return kept && !created->resumed ? "cold" : created->boot_path;
}

/* An agent that was there before has told atoll-host that it is this sandbox's. */
static bool has_answered(const struct host_created *created)
{
    return strcmp(created->boot_path, "warm") == 0 || strcmp(created->boot_path, "snapshot") == 0;
}

static int start_on_host(struct sandboxes *sandboxes, struct sandbox_record *next,
                         struct disk_source disk, bool *ret_resumed, struct error *err)
{
    struct host_create request = {
        .id = next->id,
        .engine = next->engine,
        .template_image = next->image_id,
        .hostname = next->slug,
        .cpu_count = next->cpu_count,
        .memory_bytes = next->memory_mb * 1024 * 1024,
        .disk_bytes = next->disk_mb * 1024 * 1024,
        .process_limit = next->process_limit,
        .network = (enum host_network)next->network,
        .keep_disk = disk.keep,
        .snapshot = disk.snapshot_id,
        .snapshot_digest = disk.digest,
        .files_only = disk.files_only,
    };
    struct host_created created;
    if (host_create(sandboxes->host, &request, &created, err) < 0) {
        return -1;
    }
    if (disk.memory && !created.resumed) {
        return undo_without_memory(sandboxes, &request, err);
    }
    FAULT_POINT("daemon.start.created");
    int64_t began_us = clock_monotonic_us();
    if (!has_answered(&created) && agent_hello(created.agent_socket, AGENT_READY_MS, err) < 0) {
        undo_start(sandboxes, next->id, disk.keep, err);
        return -1;
    }
    memcpy(next->agent_socket, created.agent_socket, sizeof(next->agent_socket));
    memcpy(next->accel, created.accel, sizeof(next->accel));
    snprintf(next->boot_path, sizeof(next->boot_path), "%s", boot_path_of(&created, disk.keep));
    next->boot_us = created.boot_us;
    next->envd_ready_us = created.boot_us + clock_monotonic_us() - began_us;
    next->processes = 1;
    next->memory_saved = 0;
    *ret_resumed = created.resumed;
    return 0;
}

int change_host_create(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       struct sandbox_record *next, struct disk_source disk, struct error *err)
{
    bool resumed = false;
    engine_describe(sandboxes, next);
    int result = WITHOUT_MUTEX(sandbox, start_on_host(sandboxes, next, disk, &resumed, err), err);
    if (result == 0) {
        sandbox->resumed = resumed;
        engine_count_start(sandboxes, next);
        start_run(sandboxes, sandbox);
        if (!resumed) { /* else what is still to be started is what it was */
            next->start_pending = start_pending_of(next, !disk.keep);
        }
    }
    return result;
}
