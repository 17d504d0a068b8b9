#include "sandbox/internal.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>

int destroy_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
                 struct error *err)
{
    struct sandbox_record next = sandbox->record;
    if (sandbox->state != SANDBOX_DESTROYING) {
        if (change_commit(sandboxes, sandbox, &next, SANDBOX_DESTROYING, source, err) < 0) {
            return -1;
        }
    }
    FAULT_POINT("daemon.destroy.recorded");
    if (change_host_destroy(sandboxes, sandbox, false, err) < 0) {
        sandbox->unresolved = true;
        return error_prefix(err, "destroy sandbox %s", sandbox->record.id);
    }
    FAULT_POINT("daemon.destroy.destroyed");
    next = sandbox->record;
    next.processes = 0;
    next.memory_saved = 0;
    next.files = 0;
    next.agent_socket[0] = '\0';
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_DESTROYED, source, err) < 0) {
        sandbox->unresolved = true;
        return -1;
    }
    FAULT_POINT("daemon.destroy.committed");
    atomic_fetch_add(&sandboxes->destroyed_total, 1);
    return 0;
}

int fail_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *reason, bool files,
              struct error *err)
{
    struct sandbox_record next = sandbox->record;
    snprintf(next.last_error, sizeof(next.last_error), "%s",
             reason[0] ? reason : "it ended for an unknown reason");
    snprintf(next.last_console, sizeof(next.last_console), "%s", sandbox->ended_console);
    next.processes = 0;
    next.memory_saved = 0;
    next.files = files;
    next.agent_socket[0] = '\0';
    return change_commit(sandboxes, sandbox, &next, SANDBOX_ERROR, "failure", err);
}

void ended_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *reason)
{
    struct error err = {0};
    int result = 0;
    if (sandbox_state_runs(sandbox->state)) {
        log_warn("sandbox.ended", "id=%s reason=%s", sandbox->record.id, reason);
        atomic_fetch_add(&sandboxes->ended_by_itself_total, 1);
        result = fail_busy(sandboxes, sandbox, reason, true, &err);
    } else if (sandbox->state == SANDBOX_PAUSED && sandbox->record.processes) {
        log_warn("sandbox.ended", "id=%s while=paused reason=%s", sandbox->record.id, reason);
        struct sandbox_record next = sandbox->record;
        next.processes = 0;
        next.agent_socket[0] = '\0';
        result = change_commit_fields(sandboxes, sandbox, &next, &err);
    }
    if (result < 0) {
        log_error("sandbox.ended_not_recorded", "id=%s error=%s", sandbox->record.id, err.message);
        sandbox->unresolved = true;
    }
}

int sandbox_destroy(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                    json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    if (change_begin(sandboxes, principal, id, &sandbox, err) < 0) {
        return -1;
    }
    int result = destroy_busy(sandboxes, sandbox, "api", err);
    if (result == 0 && ret_json) {
        *ret_json =
            json_pack("{s:s, s:s, s:I}", "id", sandbox->record.id, "state", sandbox->record.state,
                      "total_runtime_sec", (json_int_t)(sandbox->record.runtime_ms / 1000));
    }
    change_end(sandboxes, sandbox);
    return result;
}
