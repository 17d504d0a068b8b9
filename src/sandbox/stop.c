#include "sandbox/internal.h"

#include "base/fault.h"

#include <stdio.h>

/* A host that fails leaves the state "pausing" to reconcile. */
int stop_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
              struct error *err)
{
    struct sandbox_record next = sandbox->record;
    snprintf(next.last_pause_source, sizeof(next.last_pause_source), "%s", source);
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_PAUSING, source, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.stop.recorded");
    if (change_host_destroy(sandboxes, sandbox, true, err) < 0) {
        sandbox->unresolved = true;
        return error_prefix(err, "stop sandbox %s", sandbox->record.id);
    }
    FAULT_POINT("daemon.stop.stopped");
    next = sandbox->record;
    paused_as(&next, HOST_STATE_STOPPED);
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_PAUSED, source, err) < 0) {
        sandbox->unresolved = true;
        return -1;
    }
    FAULT_POINT("daemon.stop.committed");
    return 0;
}

static bool may_stop(const struct sandbox *sandbox)
{
    return sandbox->state == SANDBOX_RUNNING || sandbox->state == SANDBOX_PAUSED;
}

int sandbox_stop(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                 json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    if (change_need_host(sandboxes, err) < 0 ||
        change_begin(sandboxes, principal, id, &sandbox, err) < 0) {
        return -1;
    }
    int result = 0;
    if (!may_stop(sandbox)) {
        result = error_set(err, ERR_NOT_RUNNING, 0, "a sandbox that is %s cannot be stopped",
                           sandbox_state_name(sandbox->state));
    } else if (!sandbox->record.persistent) {
        result = destroy_busy(sandboxes, sandbox, "stop", err);
    } else if (sandbox->record.processes || sandbox->record.memory_saved) {
        result = stop_busy(sandboxes, sandbox, "stop", err);
    }
    if (result == 0 && ret_json) {
        *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
    }
    change_end(sandboxes, sandbox);
    return result;
}
