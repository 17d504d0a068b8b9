#include "sandbox/snapshot_internal.h"

#include "base/fault.h"
#include "base/log.h"

int snapshot_may_take(const struct sandbox *sandbox, struct error *err)
{
    if (sandbox->state == SANDBOX_RUNNING || sandbox->state == SANDBOX_PAUSED) {
        return 0;
    }
    if (sandbox_is_starting(sandbox)) {
        return refuse_use(sandbox, err);
    }
    return error_set(err, ERR_NOT_RUNNING, 0,
                     "sandbox must be running or paused for a snapshot; it is %s",
                     sandbox_state_name(sandbox->state));
}

static int begin(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err)
{
    struct sandbox_record next = sandbox->record;
    return change_commit(sandboxes, sandbox, &next, SANDBOX_SNAPSHOTTING, "snapshot", err);
}

/* It ran on, whatever came of the snapshot. */
static int end(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err)
{
    struct sandbox_record next = sandbox->record;
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RUNNING, "snapshot", err) < 0) {
        sandbox->unresolved = true;
        return -1;
    }
    return 0;
}

static void undo(struct sandboxes *sandboxes, const char *snapshot_id)
{
    struct error err = {0};
    if (host_snapshot_remove(sandboxes->host, snapshot_id, &err) < 0) {
        log_warn("snapshot.undo_failed", "id=%s error=%s", snapshot_id, err.message);
        watch_request_reconcile(sandboxes);
    }
}

int snapshot_take_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       const char *snapshot_id, struct host_snapshot *ret_taken, struct error *err)
{
    bool runs = sandbox->state == SANDBOX_RUNNING;
    if (runs && begin(sandboxes, sandbox, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.snapshot.recorded");
    int result = change_host_snapshot(sandboxes, sandbox, snapshot_id, ret_taken, err);
    FAULT_POINT("daemon.snapshot.taken");
    struct error ending = {0};
    if (runs && !sandbox->unresolved && end(sandboxes, sandbox, &ending) < 0 && result == 0) {
        undo(sandboxes, snapshot_id);
        *err = ending;
        return -1;
    }
    if (result == 0 && ret_taken->pause_us > 0) {
        atomic_fetch_add(&sandboxes->snapshot_totals.pauses, 1);
        atomic_fetch_add(&sandboxes->snapshot_totals.pause_us, ret_taken->pause_us);
    }
    if (result < 0 && err->code == ERR_NOT_FOUND) {
        err->code = ERR_NOT_RUNNING; /* it ended meanwhile: the sandbox itself is there */
    }
    return result < 0 ? error_prefix(err, "snapshot of sandbox %s", sandbox->id) : 0;
}
