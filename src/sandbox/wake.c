#include "sandbox/internal.h"

bool sandbox_is_starting(const struct sandbox *sandbox)
{
    return sandbox->state == SANDBOX_PROVISIONING || sandbox->state == SANDBOX_RESUMING;
}

int refuse_use(const struct sandbox *sandbox, struct error *err)
{
    const struct sandbox_record *record = &sandbox->record;
    if (sandbox_is_starting(sandbox)) {
        return error_set(err, ERR_STARTING, 0, "sandbox is starting (%s)", record->state);
    }
    if (sandbox->state == SANDBOX_ERROR) {
        error_set(err, ERR_NOT_RUNNING, 0, "sandbox must be in running state; it failed: %s",
                  record->last_error);
        return error_hint(err, "Delete it and create a new one.");
    }
    return error_set(err, ERR_NOT_RUNNING, 0, "sandbox must be in running state; it is %s",
                     record->state);
}

bool wake_needed(const struct sandbox *sandbox)
{
    return sandbox->record.auto_resume &&
           (sandbox->state == SANDBOX_PAUSED || sandbox->state == SANDBOX_PAUSING ||
            sandbox->state == SANDBOX_RESUMING);
}

/* Of those who come at once, one resumes it; the others wait until it is free and find it running. */
int wake_found(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err)
{
    if (change_need_host(sandboxes, err) < 0) {
        return -1;
    }
    if (change_begin_found(sandboxes, sandbox_ref(sandbox), CHANGE_WAIT_MS, err) < 0) {
        sandbox_unref(sandbox);
        return -1;
    }
    int result = 0;
    if (sandbox->state == SANDBOX_PAUSED && sandbox->record.auto_resume) {
        result = resume_busy(sandboxes, sandbox, "auto_resume", err);
    } else if (!sandbox_state_runs(sandbox->state)) {
        result = refuse_use(sandbox, err);
    }
    change_end(sandboxes, sandbox);
    return result;
}

int sandbox_wake(struct sandboxes *sandboxes, const char *id, struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, NULL, id);
    if (!sandbox) {
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
    }
    pthread_mutex_lock(&sandbox->mutex);
    bool runs = sandbox_state_runs(sandbox->state);
    pthread_mutex_unlock(&sandbox->mutex);
    int result = runs ? 0 : wake_found(sandboxes, sandbox, err);
    sandbox_unref(sandbox);
    return result;
}
