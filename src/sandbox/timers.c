#include "sandbox/snapshot_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

enum {
    RETRY_MS = 5000,        /* when there is no memory to look */
    HOUSEKEEPING_MS = 2000, /* between looks at the store's log */
    PRUNE_MS = 15 * 60 * 1000,
    DUE_MAX = 64,                /* handled before looking again */
    ERROR_KEPT_MS = 3600 * 1000, /* a record in state error that holds nothing */
};

int64_t sandbox_deadline_ms(const struct sandbox *sandbox, const char **ret_source)
{
    const struct sandbox_record *record = &sandbox->record;
    int64_t deadline_ms = INT64_MAX;
    *ret_source = "timeout";
    if (sandbox->state != SANDBOX_RUNNING || record->always_on) {
        return INT64_MAX;
    }
    if (record->timeout_sec > 0) {
        deadline_ms = sandbox->timer_started_ms + record->timeout_sec * 1000;
    }
    if (record->idle_timeout_sec > 0 && sandbox->uses == 0) {
        int64_t idle_ms = sandbox_last_activity_ms(sandbox) + record->idle_timeout_sec * 1000;
        if (idle_ms < deadline_ms) {
            deadline_ms = idle_ms;
            *ret_source = "idle_timeout";
        }
    }
    return deadline_ms > sandbox->retry_after_ms ? deadline_ms : sandbox->retry_after_ms;
}

int64_t sandbox_timeout_remaining_ms(const struct sandbox *sandbox)
{
    if (!sandbox_state_runs(sandbox->state) || sandbox->record.always_on ||
        sandbox->record.timeout_sec == 0) {
        return -1;
    }
    int64_t remaining_ms =
        sandbox->timer_started_ms + sandbox->record.timeout_sec * 1000 - clock_monotonic_ms();
    return remaining_ms > 0 ? remaining_ms : 0;
}

void timers_note(struct sandboxes *sandboxes, int64_t deadline_ms)
{
    pthread_mutex_lock(&sandboxes->timer_mutex);
    if (deadline_ms < sandboxes->timer_next_ms) {
        sandboxes->timer_next_ms = deadline_ms;
        pthread_cond_signal(&sandboxes->timer_wake);
    }
    pthread_mutex_unlock(&sandboxes->timer_mutex);
}

struct due_scan {
    int64_t now_ms;
    int64_t next_ms; /* earliest deadline that is still to come */
};

static bool is_due(const struct sandbox *sandbox, void *context)
{
    struct due_scan *scan = context;
    const char *source;
    int64_t deadline_ms = sandbox_deadline_ms(sandbox, &source);
    if (sandbox->expiring) {
        return false;
    }
    if (deadline_ms > scan->now_ms) {
        scan->next_ms = deadline_ms < scan->next_ms ? deadline_ms : scan->next_ms;
        return false;
    }
    return true;
}

/* Handles what is due; returns when to look again. */
static int64_t expire_due(struct sandboxes *sandboxes)
{
    struct due_scan scan = {.now_ms = clock_monotonic_ms(), .next_ms = INT64_MAX};
    struct sandbox **due = NULL;
    size_t count = 0;
    if (registry_select(sandboxes, NULL, is_due, &scan, DUE_MAX, &due, &count) < 0) {
        return scan.now_ms + RETRY_MS;
    }
    for (size_t i = 0; i < count; i++) {
        expiries_request(sandboxes, due[i]);
    }
    free(due);
    return count == DUE_MAX ? scan.now_ms : scan.next_ms;
}

static bool is_old_failure(const struct sandbox *sandbox, void *context)
{
    const int64_t *before_ms = context;
    return sandbox->state == SANDBOX_ERROR && !sandbox->record.files &&
           sandbox->record.created_ms < *before_ms;
}

/* Failed creates leave a record that says why; nobody deletes them. */
static void forget_failures(struct sandboxes *sandboxes)
{
    int64_t before_ms = clock_realtime_ms() - ERROR_KEPT_MS;
    struct sandbox **found = NULL;
    size_t count = 0;
    if (registry_select(sandboxes, NULL, is_old_failure, &before_ms, 0, &found, &count) < 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        if (change_begin_found(sandboxes, found[i], 0, &err) < 0) {
            sandbox_unref(found[i]);
            continue;
        }
        if (is_old_failure(found[i], &before_ms)) {
            destroy_busy(sandboxes, found[i], "expired", &err);
        }
        change_end(sandboxes, found[i]);
    }
    free(found);
}

static void prune(struct sandboxes *sandboxes)
{
    struct error err = {0};
    forget_failures(sandboxes);
    if (store_prune(sandboxes->store, &err) < 0) {
        log_warn("store.prune_failed", "error=%s", err.message);
    }
}

/* Sleeps until the time that timers_note may bring forward. */
static void sleep_until(struct sandboxes *sandboxes, int64_t until_ms)
{
    pthread_mutex_lock(&sandboxes->timer_mutex);
    if (until_ms < sandboxes->timer_next_ms) {
        sandboxes->timer_next_ms = until_ms;
    }
    while (!sandboxes->closing && clock_monotonic_ms() < sandboxes->timer_next_ms) {
        struct timespec until = {sandboxes->timer_next_ms / 1000,
                                 sandboxes->timer_next_ms % 1000 * 1000000};
        pthread_cond_timedwait(&sandboxes->timer_wake, &sandboxes->timer_mutex, &until);
    }
    /* Deadlines noted from now on count for the next sleep. */
    sandboxes->timer_next_ms = INT64_MAX;
    pthread_mutex_unlock(&sandboxes->timer_mutex);
}

static void *timer_main(void *context)
{
    struct sandboxes *sandboxes = context;
    int64_t prune_ms = 0;
    while (!sandboxes->closing) {
        int64_t next_ms = expire_due(sandboxes);
        snapshots_expire(sandboxes);
        browsers_expire(sandboxes);
        store_checkpoint(sandboxes->store);
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= prune_ms) {
            prune(sandboxes);
            prune_ms = now_ms + PRUNE_MS;
        }
        sleep_until(sandboxes,
                    next_ms < now_ms + HOUSEKEEPING_MS ? next_ms : now_ms + HOUSEKEEPING_MS);
    }
    return NULL;
}

int timers_start(struct sandboxes *sandboxes, struct error *err)
{
    sandboxes->timer_next_ms = INT64_MAX;
    int problem = pthread_create(&sandboxes->timer_thread, NULL, timer_main, sandboxes);
    if (problem) {
        return error_set(err, ERR_INTERNAL, problem, "start the timer thread");
    }
    sandboxes->timer_started = true;
    return 0;
}

void timers_stop(struct sandboxes *sandboxes)
{
    if (sandboxes->timer_started) {
        pthread_mutex_lock(&sandboxes->timer_mutex);
        pthread_cond_signal(&sandboxes->timer_wake);
        pthread_mutex_unlock(&sandboxes->timer_mutex);
        pthread_join(sandboxes->timer_thread, NULL);
        sandboxes->timer_started = false;
    }
    expiries_close(&sandboxes->expiries);
}
