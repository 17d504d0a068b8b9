#include "sandbox/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    EXPLAIN_WAIT_MS = 300, /* atoll-host tells of an end shortly after the agent's socket does */
    WAKE_ATTEMPTS = 3,     /* it may be paused again before it was used */
};

static struct timespec monotonic_in(int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    return (struct timespec){until_ms / 1000, until_ms % 1000 * 1000000};
}

static void wait_while_starting(struct sandbox *sandbox, int64_t wait_ms)
{
    struct timespec until = monotonic_in(wait_ms);
    while (wait_ms > 0 && sandbox_is_starting(sandbox)) {
        if (pthread_cond_timedwait(&sandbox->changed, &sandbox->mutex, &until) == ETIMEDOUT) {
            return;
        }
    }
}

/* The template's variables with the sandbox's over them; new reference. */
static json_t *environment_of(const struct sandboxes *sandboxes,
                              const struct sandbox_record *record)
{
    const struct template_definition *definition =
        catalogue_find(sandboxes->catalogue, record->template_id);
    json_t *template_env = definition ? definition->env : NULL;
    if (!template_env || !record->env) {
        json_t *only = template_env ? template_env : record->env;
        return only ? json_incref(only) : json_object();
    }
    json_t *merged = json_copy(template_env);
    json_object_update(merged, record->env);
    return merged;
}

/* Waits for one that is starting, wakes one that is paused and may be. Mutex held, given up meanwhile. */
static int await_running(struct sandboxes *sandboxes, struct sandbox *sandbox, int64_t wait_ms,
                         struct error *err)
{
    wait_while_starting(sandbox, wait_ms);
    for (int attempt = 0; attempt < WAKE_ATTEMPTS && wake_needed(sandbox); attempt++) {
        pthread_mutex_unlock(&sandbox->mutex);
        int result = wake_found(sandboxes, sandbox, err);
        pthread_mutex_lock(&sandbox->mutex);
        if (result < 0) {
            return -1;
        }
    }
    return sandbox_state_runs(sandbox->state) ? 0 : refuse_use(sandbox, err);
}

int sandbox_use_begin(struct sandboxes *sandboxes, const struct principal *principal,
                      const char *id, int64_t wait_ms, struct sandbox_use *ret_use,
                      struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, principal->tenant_id, id);
    if (!sandbox) {
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
    }
    pthread_mutex_lock(&sandbox->mutex);
    if (await_running(sandboxes, sandbox, wait_ms, err) < 0) {
        pthread_mutex_unlock(&sandbox->mutex);
        sandbox_unref(sandbox);
        return -1;
    }
    sandbox->uses++;
    sandbox->last_activity_ms = clock_monotonic_ms();
    *ret_use = (struct sandbox_use){.sandbox = sandbox};
    memcpy(ret_use->id, sandbox->record.id, sizeof(ret_use->id));
    memcpy(ret_use->tenant_id, sandbox->record.tenant_id, sizeof(ret_use->tenant_id));
    memcpy(ret_use->agent_socket, sandbox->record.agent_socket, sizeof(ret_use->agent_socket));
    memcpy(ret_use->workdir, sandbox->record.workdir, sizeof(ret_use->workdir));
    ret_use->env = environment_of(sandboxes, &sandbox->record);
    pthread_mutex_unlock(&sandbox->mutex);
    return 0;
}

void sandbox_use_end(struct sandboxes *sandboxes, struct sandbox_use *use)
{
    struct sandbox *sandbox = use->sandbox;
    if (!sandbox) {
        return;
    }
    pthread_mutex_lock(&sandbox->mutex);
    sandbox->uses--;
    sandbox->last_activity_ms = clock_monotonic_ms();
    bool idle_clock = sandbox->uses == 0 && sandbox->record.idle_timeout_sec > 0;
    const char *source;
    int64_t deadline_ms = sandbox_deadline_ms(sandbox, &source);
    pthread_mutex_unlock(&sandbox->mutex);
    if (idle_clock) {
        timers_note(sandboxes, deadline_ms);
    }
    sandbox_unref(sandbox);
    json_decref(use->env);
    *use = (struct sandbox_use){0};
}

static void wait_for_news(struct sandbox *sandbox)
{
    struct timespec until = monotonic_in(EXPLAIN_WAIT_MS);
    while (sandbox_state_runs(sandbox->state)) {
        if (pthread_cond_timedwait(&sandbox->changed, &sandbox->mutex, &until) == ETIMEDOUT) {
            return;
        }
    }
}

void sandbox_explain(struct sandboxes *sandboxes, const struct sandbox_use *use, struct error *err)
{
    (void)sandboxes;
    struct sandbox *sandbox = use->sandbox;
    if (!sandbox || err->code != ERR_AGENT_UNAVAILABLE) {
        return;
    }
    pthread_mutex_lock(&sandbox->mutex);
    wait_for_news(sandbox);
    const struct sandbox_record *record = &sandbox->record;
    if (sandbox->state == SANDBOX_ERROR) {
        error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the sandbox ended: %s", record->last_error);
        error_hint(err, "Delete the sandbox and create a new one.");
    } else if (sandbox->state == SANDBOX_DESTROYING || sandbox->state == SANDBOX_DESTROYED) {
        error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the sandbox was destroyed meanwhile");
        error_hint(err, "Create a new sandbox.");
    } else if (!sandbox_state_runs(sandbox->state)) {
        error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the sandbox was stopped meanwhile (%s)",
                  record->last_pause_source[0] ? record->last_pause_source : record->state);
        error_hint(err, "Resume it with POST /sandboxes/{id}/resume.");
    }
    pthread_mutex_unlock(&sandbox->mutex);
}
