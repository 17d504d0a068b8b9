#include "sandbox/internal.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdio.h>

void undo_resuming(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct sandbox_record next = sandbox->record;
    struct error err = {0};
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_PAUSED, "undo", &err) < 0) {
        log_error("sandbox.undo_failed", "id=%s error=%s", sandbox->record.id, err.message);
        sandbox->unresolved = true;
    }
}

/* Thaws the processes; without any, those that were saved go on, or new ones start on the kept files. */
static int wake(struct sandboxes *sandboxes, struct sandbox *sandbox, struct sandbox_record *next,
                struct error *err)
{
    if (next->processes) {
        if (change_host_thaw(sandboxes, sandbox, err) == 0) {
            return 0;
        }
        bool gone = err->code == ERR_NOT_FOUND || err->code == ERR_NOT_RUNNING;
        if (!gone && !sandbox->ended[0]) {
            return -1;
        }
        sandbox->ended[0] = '\0';
        sandbox->ended_console[0] = '\0';
        next->processes = 0;
    }
    return change_host_create(sandboxes, sandbox, next, (struct disk_source){.keep = true}, err);
}

int resume_busy(struct sandboxes *sandboxes, struct sandbox *sandbox, const char *source,
                struct error *err)
{
    struct sandbox_record next = sandbox->record;
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RESUMING, source, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.resume.recorded");
    next = sandbox->record;
    if (wake(sandboxes, sandbox, &next, err) < 0) {
        if (!sandbox->unresolved) {
            undo_resuming(sandboxes, sandbox);
        }
        if (err->code == ERR_NOT_FOUND) {
            err->code = ERR_NOT_RESTORABLE;
        }
        return error_prefix(err, "resume sandbox %s", sandbox->record.id);
    }
    FAULT_POINT("daemon.resume.running");
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RUNNING, source, err) < 0) {
        sandbox->unresolved = true;
        return -1;
    }
    FAULT_POINT("daemon.resume.committed");
    return 0;
}

int sandbox_resume(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    if (change_need_host(sandboxes, err) < 0 ||
        change_begin(sandboxes, principal, id, &sandbox, err) < 0) {
        return -1;
    }
    int result;
    if (sandbox->state == SANDBOX_PAUSED) {
        result = resume_busy(sandboxes, sandbox, "api", err);
    } else {
        result = error_set(err, ERR_NOT_PAUSED, 0, "sandbox is not paused; it is %s",
                           sandbox_state_name(sandbox->state));
    }
    if (result == 0 && ret_json) {
        *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
    }
    change_end(sandboxes, sandbox);
    return result;
}
