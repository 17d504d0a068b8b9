#include "sandbox/internal.h"

#include "agentclient/agentclient.h"
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
        json_pack("{s:s, s:s, s:s, s:s*, s:o*}", "state", next->state, "previous_state",
                  sandbox_state_name(from), "timestamp", clock_iso8601(now_ms, stamp), "source",
                  source, "message", state == SANDBOX_ERROR ? json_string(next->last_error) : NULL);
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

int change_host_freeze(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err)
{
    enum host_state state;
    return WITHOUT_MUTEX(sandbox, host_freeze(sandboxes->host, sandbox->record.id, &state, err),
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

static int start_on_host(struct sandboxes *sandboxes, struct sandbox_record *next,
                         struct disk_source disk, struct error *err)
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
    };
    struct host_created created;
    if (host_create(sandboxes->host, &request, &created, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.start.created");
    int64_t began_us = clock_monotonic_us();
    if (agent_hello(created.agent_socket, AGENT_READY_MS, err) < 0) {
        error_prefix(err, "sandbox %s: its agent", next->id);
        struct error undo = {0};
        if (host_destroy(sandboxes->host, next->id, disk.keep, &undo) < 0) {
            log_warn("sandbox.undo_failed", "id=%s error=%s", next->id, undo.message);
            err->code = ERR_HOST_UNAVAILABLE; /* so that reconcile tries again */
        }
        return -1;
    }
    snprintf(next->agent_socket, sizeof(next->agent_socket), "%s", created.agent_socket);
    snprintf(next->boot_path, sizeof(next->boot_path), "%s",
             disk.keep ? "cold" : created.boot_path);
    next->boot_us = created.boot_us;
    next->envd_ready_us = created.boot_us + clock_monotonic_us() - began_us;
    next->processes = 1;
    return 0;
}

static void set_isolation(struct sandboxes *sandboxes, struct sandbox_record *next)
{
    pthread_mutex_lock(&sandboxes->host_mutex);
    const struct host_info *info = &sandboxes->host_info;
    for (size_t i = 0; i < info->engine_count; i++) {
        if (strcmp(info->engines[i].name, next->engine) == 0) {
            snprintf(next->isolation, sizeof(next->isolation), "%s", info->engines[i].isolation);
        }
    }
    pthread_mutex_unlock(&sandboxes->host_mutex);
}

int change_host_create(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       struct sandbox_record *next, struct disk_source disk, struct error *err)
{
    snprintf(next->engine, sizeof(next->engine), "container");
    set_isolation(sandboxes, next);
    int result = WITHOUT_MUTEX(sandbox, start_on_host(sandboxes, next, disk, err), err);
    if (result == 0) {
        start_run(sandboxes, sandbox);
        next->start_pending = start_pending_of(next, !disk.keep);
    }
    return result;
}
