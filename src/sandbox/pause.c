#include "sandbox/internal.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>

/* Back to running after a freeze that did not happen. */
static void undo_pausing(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct sandbox_record next = sandbox->record;
    struct error err = {0};
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RUNNING, "undo", &err) < 0) {
        log_error("sandbox.undo_failed", "id=%s error=%s", sandbox->record.id, err.message);
        sandbox->unresolved = true;
    }
}

void paused_as(struct sandbox_record *next, enum host_state state)
{
    next->processes = state == HOST_STATE_FROZEN;
    next->memory_saved = state == HOST_STATE_SUSPENDED;
    if (!next->processes) {
        next->agent_socket[0] = '\0';
    }
}

int pause_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
               struct error *err)
{
    struct sandbox_record next = sandbox->record;
    snprintf(next.last_pause_source, sizeof(next.last_pause_source), "%s", source);
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_PAUSING, source, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.pause.recorded");
    enum host_state state;
    if (change_host_freeze(sandboxes, sandbox, &state, err) < 0) {
        if (!sandbox->unresolved) {
            undo_pausing(sandboxes, sandbox);
        }
        return error_prefix(err, "pause sandbox %s", sandbox->record.id);
    }
    FAULT_POINT("daemon.pause.frozen");
    next = sandbox->record;
    paused_as(&next, state);
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_PAUSED, source, err) < 0) {
        sandbox->unresolved = true;
        return -1;
    }
    FAULT_POINT("daemon.pause.committed");
    return 0;
}

int sandbox_pause(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                  json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    if (change_need_host(sandboxes, err) < 0 ||
        change_begin(sandboxes, principal, id, &sandbox, err) < 0) {
        return -1;
    }
    int result = 0;
    if (sandbox->state == SANDBOX_RUNNING) {
        result = pause_busy(sandboxes, sandbox, "api", err);
    } else if (sandbox->state != SANDBOX_PAUSED) {
        result = error_set(err, ERR_NOT_RUNNING, 0,
                           "sandbox must be in running state to be paused; it is %s",
                           sandbox_state_name(sandbox->state));
    }
    if (result == 0 && ret_json) {
        *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
    }
    change_end(sandboxes, sandbox);
    return result;
}
