#include "sandbox/internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Waits until nobody changes the sandbox; mutex held. False when that takes longer than wait_ms. */
static bool wait_until_free(struct sandbox *sandbox, int64_t wait_ms)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    while (sandbox->busy) {
        if (wait_ms <= 0 ||
            pthread_cond_timedwait(&sandbox->changed, &sandbox->mutex, &until) == ETIMEDOUT) {
            return !sandbox->busy;
        }
    }
    return true;
}

int change_begin_found(struct sandboxes *sandboxes, struct sandbox *sandbox, int64_t wait_ms,
                       struct error *err)
{
    pthread_mutex_lock(&sandbox->mutex);
    if (!wait_until_free(sandbox, wait_ms)) {
        pthread_mutex_unlock(&sandbox->mutex);
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s is being changed (it is %s)",
                         sandbox->record.id, sandbox_state_name(sandbox->state));
    }
    if (sandbox->state == SANDBOX_DESTROYED) {
        pthread_mutex_unlock(&sandbox->mutex);
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
    }
    sandbox->busy = true;
    sandbox->sequence = atomic_fetch_add(&sandboxes->sequence, 1);
    return 0;
}

int change_begin(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                 struct sandbox **ret_sandbox, struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, principal->tenant_id, id);
    if (!sandbox) {
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
    }
    if (change_begin_found(sandboxes, sandbox, CHANGE_WAIT_MS, err) < 0) {
        sandbox_unref(sandbox);
        return -1;
    }
    *ret_sandbox = sandbox;
    return 0;
}

int change_need_host(const struct sandboxes *sandboxes, struct error *err)
{
    return sandboxes->host_connected ? 0
                                     : error_set(err, ERR_HOST_UNAVAILABLE, 0,
                                                 "atoll-host is not running, or just starting");
}

void change_end(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    assert(sandbox->busy);
    if (sandbox->ended[0]) {
        ended_busy(sandboxes, sandbox, sandbox->ended);
        sandbox->ended[0] = '\0';
        sandbox->ended_console[0] = '\0';
    }
    bool gone = sandbox->state == SANDBOX_DESTROYED;
    bool unresolved = sandbox->unresolved;
    sandbox->sequence = atomic_fetch_add(&sandboxes->sequence, 1);
    sandbox->busy = false;
    pthread_cond_broadcast(&sandbox->changed);
    pthread_mutex_unlock(&sandbox->mutex);
    if (gone) {
        registry_remove(sandboxes, sandbox);
    }
    if (unresolved) {
        watch_request_reconcile(sandboxes);
    }
    sandbox_unref(sandbox);
}

/* Gives up the references of dropped's JSON members that kept does not share. */
static void drop_json(struct sandbox_record *dropped, const struct sandbox_record *kept)
{
#define X(member)                                                                                  \
    if (dropped->member != kept->member) {                                                         \
        json_decref(dropped->member);                                                              \
    }
    SANDBOX_JSON_COLUMNS(X)
#undef X
}

/* Writes next with the event, then makes it the record. */
static int write_next(struct sandboxes *sandboxes, struct sandbox *sandbox,
                      struct sandbox_record *next, const char *event_type, json_t *data,
                      struct error *err)
{
    int result = data ? store_sandbox_update(sandboxes->store, next,
                                             (struct store_event){event_type, data}, err)
                      : error_set(err, ERR_INTERNAL, ENOMEM, "record an event");
    json_decref(data);
    if (result < 0) {
        drop_json(next, &sandbox->record);
        return -1;
    }
    drop_json(&sandbox->record, next);
    sandbox->record = *next;
    if (event_type) {
        events_notify(sandboxes->events);
    }
    return 0;
}

/* What every transition does to the clocks. */
static void advance_clocks(struct sandbox_record *next, enum sandbox_state from,
                           enum sandbox_state to, int64_t now_ms)
{
    if (to == SANDBOX_RUNNING && next->run_started_ms == 0) {
        next->run_started_ms = now_ms;
        next->timer_started_ms = now_ms;
        next->last_activity_ms = now_ms;
        next->ready_ms = now_ms;
        next->started_ms = next->started_ms ? next->started_ms : now_ms;
    }
    bool runs = sandbox_state_runs(to) || to == SANDBOX_PAUSING || to == SANDBOX_DESTROYING;
    if (!runs && next->run_started_ms) {
        next->runtime_ms += now_ms > next->run_started_ms ? now_ms - next->run_started_ms : 0;
        next->run_started_ms = 0;
    }
    if (to == SANDBOX_PAUSED && from != SANDBOX_RESUMING) {
        next->last_pause_ms = now_ms;
    }
    if (to == SANDBOX_DESTROYED) {
        next->destroyed_ms = now_ms;
    }
}

static void after_commit(struct sandboxes *sandboxes, struct sandbox *sandbox,
                         enum sandbox_state from)
{
    bool ran_on = from == SANDBOX_PAUSING || from == SANDBOX_SNAPSHOTTING;
    if (sandbox->state == SANDBOX_RUNNING && !ran_on) {
        sandbox->last_activity_ms = clock_monotonic_ms();
        sandbox->timer_started_ms = sandbox->last_activity_ms;
        sandbox->retry_after_ms = 0;
    }
    if (sandbox->counted && !sandbox->record.files) {
        sandbox->counted = false;
        atomic_fetch_sub(&sandbox->tenant->living, 1);
    }
    if (sandbox->state == SANDBOX_RUNNING) {
        const char *source;
        timers_note(sandboxes, sandbox_deadline_ms(sandbox, &source));
    }
    view_publish(sandboxes, sandbox);
    if (sandbox->state == SANDBOX_RUNNING && !ran_on && sandbox->record.start_pending) {
        starts_request(sandboxes, sandbox);
    }
    pthread_cond_broadcast(&sandbox->changed);
}

int change_commit(struct sandboxes *sandboxes, struct sandbox *sandbox, struct sandbox_record *next,
                  enum sandbox_state state, const char *source, struct error *err)
{
    enum sandbox_state from = sandbox->state;
    assert(sandbox->busy && sandbox_state_may_follow(from, state));
    int64_t now_ms = clock_realtime_ms();
    snprintf(next->state, sizeof(next->state), "%s", sandbox_state_name(state));
    advance_clocks(next, from, state, now_ms);
    sandbox_state_check(next, state);
    char stamp[CLOCK_ISO8601_SIZE];
    json_t *data =
        json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*}", "state", next->state, "previous_state",
                  sandbox_state_name(from), "timestamp", clock_iso8601(now_ms, stamp), "source",
                  source, "message", state == SANDBOX_ERROR ? next->last_error : NULL, "console",
                  state == SANDBOX_ERROR && next->last_console[0] ? next->last_console : NULL);
    if (write_next(sandboxes, sandbox, next, "state_changed", data, err) < 0) {
        return error_prefix(err, "sandbox %s to %s", sandbox->record.id, sandbox_state_name(state));
    }
    sandbox->state = state;
    sandbox->unresolved = false;
    after_commit(sandboxes, sandbox, from);
    log_info("sandbox.state", "id=%s from=%s to=%s source=%s", sandbox->record.id,
             sandbox_state_name(from), sandbox_state_name(state), source ? source : "api");
    return 0;
}

int change_commit_fields(struct sandboxes *sandboxes, struct sandbox *sandbox,
                         struct sandbox_record *next, struct error *err)
{
    assert(sandbox->busy && strcmp(next->state, sandbox->record.state) == 0);
    char stamp[CLOCK_ISO8601_SIZE];
    json_t *data = json_pack("{s:s, s:s}", "state", next->state, "timestamp",
                             clock_iso8601(clock_realtime_ms(), stamp));
    if (write_next(sandboxes, sandbox, next, "updated", data, err) < 0) {
        return -1;
    }
    view_publish(sandboxes, sandbox);
    return 0;
}

int change_commit_quietly(struct sandboxes *sandboxes, struct sandbox *sandbox,
                          struct sandbox_record *next, struct error *err)
{
    assert(sandbox->busy && strcmp(next->state, sandbox->record.state) == 0);
    if (write_next(sandboxes, sandbox, next, NULL, json_null(), err) < 0) {
        return -1;
    }
    view_publish(sandboxes, sandbox);
    return 0;
}
