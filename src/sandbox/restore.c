#include "sandbox/snapshot_internal.h"

#include "base/fault.h"
#include "base/log.h"

#include <string.h>

static int may_restore(const struct sandbox *sandbox, struct error *err)
{
    if (sandbox->state == SANDBOX_RUNNING || sandbox->state == SANDBOX_PAUSED) {
        return 0;
    }
    return sandbox_is_starting(sandbox)
               ? refuse_use(sandbox, err)
               : error_set(err, ERR_NOT_RUNNING, 0,
                           "only a running or paused sandbox can be restored; it is %s",
                           sandbox_state_name(sandbox->state));
}

/* The app and services are those of the files; those whose processes were resumed run already. */
static void take_definition(struct sandbox_record *next, const struct store_snapshot *snapshot,
                            bool resumed)
{
    memcpy(next->snapshot_id, snapshot->id, sizeof(next->snapshot_id));
    next->app = json_incref(json_object_get(snapshot->definition, "app"));
    next->services = json_incref(json_object_get(snapshot->definition, "services"));
    next->start_pending =
        resumed ? json_integer_value(json_object_get(snapshot->definition, "start_pending"))
                : start_pending_of(next, false);
}

/* From paused without processes to running on the snapshot's files. On -1 the files are what they were. */
static int start_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                      const struct store_snapshot *snapshot, bool files_only, struct error *err)
{
    struct sandbox_record next = sandbox->record;
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RESUMING, "restore", err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.restore.recorded");
    next = sandbox->record;
    struct disk_source disk = {.keep = true,
                               .snapshot_id = snapshot->id,
                               .digest = snapshot->digest,
                               .files_only = files_only};
    if (change_host_create(sandboxes, sandbox, &next, disk, err) < 0) {
        if (!sandbox->unresolved) {
            undo_resuming(sandboxes, sandbox);
        }
        return -1;
    }
    FAULT_POINT("daemon.restore.running");
    take_definition(&next, snapshot, sandbox->resumed);
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RUNNING, "restore", err) < 0) {
        sandbox->unresolved = true;
        return -1;
    }
    FAULT_POINT("daemon.restore.committed");
    return 0;
}

/* A restore that failed ended the processes for nothing: new ones go on with the old files. */
static void go_on(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct error err = {0};
    if (sandbox->state == SANDBOX_PAUSED && !sandbox->unresolved &&
        resume_busy(sandboxes, sandbox, "restore_failed", &err) < 0) {
        log_warn("sandbox.restore_undo", "id=%s error=%s", sandbox->id, err.message);
    }
}

/* Before anything is ended for it. Mutex held, given up meanwhile. */
static int check_snapshot(struct sandboxes *sandboxes, struct sandbox *sandbox,
                          const struct store_snapshot *snapshot, bool files_only, struct error *err)
{
    char image_id[sizeof(sandbox->record.image_id)], memory_problem[200];
    memcpy(image_id, sandbox->record.image_id, sizeof(image_id));
    pthread_mutex_unlock(&sandbox->mutex);
    int result = host_snapshot_check(sandboxes->host, snapshot->id, snapshot->digest, image_id,
                                     memory_problem, err);
    pthread_mutex_lock(&sandbox->mutex);
    return result == 0 && snapshot->memory_bytes > 0 && !files_only && memory_problem[0]
               ? refuse_memory(memory_problem, err)
               : result;
}

static int restore_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                        const struct store_snapshot *snapshot, bool files_only, struct error *err)
{
    bool ran = sandbox->state == SANDBOX_RUNNING;
    if (may_restore(sandbox, err) < 0) {
        return -1;
    }
    /* One without processes loses nothing by trying. */
    bool has_processes = sandbox->record.processes || sandbox->record.memory_saved;
    if ((has_processes || snapshot->memory_bytes > 0) &&
        check_snapshot(sandboxes, sandbox, snapshot, files_only, err) < 0) {
        return error_prefix(err, "restore sandbox %s", sandbox->id);
    }
    if (sandbox->record.processes && stop_busy(sandboxes, sandbox, "restore", err) < 0) {
        return -1;
    }
    if (start_busy(sandboxes, sandbox, snapshot, files_only, err) < 0) {
        if (ran) {
            go_on(sandboxes, sandbox);
        }
        return error_prefix(err, "restore sandbox %s", sandbox->id);
    }
    return 0;
}

static int restore_held(struct sandboxes *sandboxes, const struct principal *principal,
                        const char *sandbox_id, const struct store_snapshot *snapshot,
                        bool files_only, json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    if (change_begin(sandboxes, principal, sandbox_id, &sandbox, err) < 0) {
        return -1;
    }
    int result = restore_busy(sandboxes, sandbox, snapshot, files_only, err);
    if (result == 0) {
        *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
        snapshot_touch(sandboxes, snapshot->id, snapshot->retention_sec);
    }
    change_end(sandboxes, sandbox);
    return result;
}

int sandbox_restore(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *sandbox_id, const char *snapshot_id, bool files_only,
                    json_t **ret_json, struct error *err)
{
    struct store_snapshot snapshot;
    struct snapshot_hold hold;
    if (change_need_host(sandboxes, err) < 0) {
        return -1;
    }
    int result = snapshot_find_held(sandboxes, principal->tenant_id, sandbox_id, snapshot_id,
                                    SNAPSHOT_HOLD_RESTORE, &hold, &snapshot, err);
    if (result == 0) {
        result =
            restore_held(sandboxes, principal, sandbox_id, &snapshot, files_only, ret_json, err);
        struct snapshot_totals *totals = &sandboxes->snapshot_totals;
        atomic_fetch_add(result == 0 ? &totals->restored : &totals->restore_failed, 1);
        store_snapshot_clear(&snapshot);
    }
    hold_end(sandboxes, &hold);
    return result;
}
