#include "sandbox/internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

/*
 * Starting apps and services takes as long as it takes, and whoever started the sandbox does not wait for
 * it. What is still to be started is in the record (start_pending), in the same transaction as the start of
 * the processes, and taken out when the listener is through: a crash in between starts them later.
 */

void start_run(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    sandbox->run = atomic_fetch_add(&sandboxes->sequence, 1);
    sandbox->run_since_ms = clock_monotonic_ms();
}

int64_t start_pending_of(const struct sandbox_record *record, bool created)
{
    if (!record->app && !record->services) {
        return 0;
    }
    return created || record->start_pending == 2 ? 2 : 1;
}

void starts_init(struct starts *starts)
{
    pthread_mutex_init(&starts->mutex, NULL);
    pthread_cond_init(&starts->work, NULL);
    pthread_cond_init(&starts->done, NULL);
}

/* What is to be started, unless something happened to the sandbox meanwhile. */
static bool is_pending(struct sandbox *sandbox, bool *ret_created, uint64_t *ret_run)
{
    pthread_mutex_lock(&sandbox->mutex);
    bool pending = sandbox_state_runs(sandbox->state) && sandbox->record.start_pending;
    *ret_created = sandbox->record.start_pending == 2;
    *ret_run = sandbox->run;
    pthread_mutex_unlock(&sandbox->mutex);
    return pending;
}

/* Unless its processes were started anew: then it is in the queue again. */
static void take_out(struct sandboxes *sandboxes, struct sandbox *sandbox, uint64_t run)
{
    struct error err = {0};
    if (change_begin_found(sandboxes, sandbox_ref(sandbox), CHANGE_WAIT_MS, &err) < 0) {
        sandbox_unref(sandbox);
        return;
    }
    struct sandbox_record next = sandbox->record;
    next.start_pending = 0;
    if (sandbox->run == run && change_commit_quietly(sandboxes, sandbox, &next, &err) < 0) {
        log_warn("sandbox.start_not_recorded", "id=%s error=%s", sandbox->id, err.message);
    }
    change_end(sandboxes, sandbox);
}

/* starts.mutex held, given up meanwhile. */
static void carry_out(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct starts *starts = &sandboxes->starts;
    sandbox_start_listener *on_start = starts->on_start;
    void *context = starts->context;
    bool created = false;
    uint64_t run = 0;
    starts->running_count++;
    pthread_mutex_unlock(&starts->mutex);
    bool pending = on_start && is_pending(sandbox, &created, &run);
    if (pending) {
        FAULT_POINT("daemon.start.pending");
        on_start(context, sandbox->tenant->id, sandbox->id, created);
    }
    pthread_mutex_lock(&starts->mutex);
    /* A listener that was taken away may have been cut short. */
    if (pending && starts->on_start == on_start) {
        pthread_mutex_unlock(&starts->mutex);
        take_out(sandboxes, sandbox, run);
        pthread_mutex_lock(&starts->mutex);
    }
    starts->running_count--;
    pthread_cond_broadcast(&starts->done);
}

static struct sandbox *pop(struct starts *starts)
{
    struct sandbox *sandbox = starts->first;
    if (sandbox) {
        starts->first = sandbox->next_start;
        starts->last = starts->first ? starts->last : NULL;
        sandbox->start_queued = false;
    }
    return sandbox;
}

static void *start_main(void *argument)
{
    struct sandboxes *sandboxes = argument;
    struct starts *starts = &sandboxes->starts;
    pthread_mutex_lock(&starts->mutex);
    while (!starts->closing) {
        struct sandbox *sandbox = pop(starts);
        if (sandbox) {
            carry_out(sandboxes, sandbox);
            sandbox_unref(sandbox);
            continue;
        }
        starts->idle_count++;
        pthread_cond_wait(&starts->work, &starts->mutex);
        starts->idle_count--;
    }
    pthread_mutex_unlock(&starts->mutex);
    return NULL;
}

/* A thread more, when all have something to do. Without one it is started when one is free, or when
 * this process starts the next time. */
static void add_thread(struct sandboxes *sandboxes)
{
    struct starts *starts = &sandboxes->starts;
    if (starts->idle_count == 0 && starts->thread_count < START_THREADS) {
        int problem =
            pthread_create(&starts->threads[starts->thread_count], NULL, start_main, sandboxes);
        if (problem) {
            log_error("sandbox.start_thread", "errno=%d", problem);
            return;
        }
        starts->thread_count++;
    }
}

void starts_request(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct starts *starts = &sandboxes->starts;
    pthread_mutex_lock(&starts->mutex);
    if (starts->on_start && !starts->closing && !sandbox->start_queued) {
        sandbox_ref(sandbox);
        sandbox->start_queued = true;
        sandbox->next_start = NULL;
        *(starts->last ? &starts->last->next_start : &starts->first) = sandbox;
        starts->last = sandbox;
        add_thread(sandboxes);
        pthread_cond_signal(&starts->work);
    }
    pthread_mutex_unlock(&starts->mutex);
}

static void drop_queue(struct starts *starts)
{
    struct sandbox *sandbox;
    while ((sandbox = pop(starts))) {
        sandbox_unref(sandbox);
    }
}

void starts_close(struct starts *starts)
{
    pthread_mutex_lock(&starts->mutex);
    starts->closing = true;
    pthread_cond_broadcast(&starts->work);
    pthread_mutex_unlock(&starts->mutex);
    for (int i = 0; i < starts->thread_count; i++) {
        pthread_join(starts->threads[i], NULL);
    }
    drop_queue(starts);
    pthread_cond_destroy(&starts->done);
    pthread_cond_destroy(&starts->work);
    pthread_mutex_destroy(&starts->mutex);
}

static bool waits_for_start(const struct sandbox *sandbox, void *context)
{
    (void)context;
    return sandbox_state_runs(sandbox->state) && sandbox->record.start_pending;
}

/* What another life of this daemon did not come to start. */
static void request_all(struct sandboxes *sandboxes)
{
    struct sandbox **found = NULL;
    size_t count = 0;
    if (registry_select(sandboxes, NULL, waits_for_start, NULL, 0, &found, &count) < 0) {
        log_error("sandbox.start_lost", "error=no memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&found[i]->mutex);
        starts_request(sandboxes, found[i]);
        pthread_mutex_unlock(&found[i]->mutex);
        sandbox_unref(found[i]);
    }
    free(found);
}

void sandboxes_on_start(struct sandboxes *sandboxes, sandbox_start_listener *on_start,
                        void *context)
{
    struct starts *starts = &sandboxes->starts;
    pthread_mutex_lock(&starts->mutex);
    assert(!on_start || !starts->on_start);
    starts->on_start = on_start;
    starts->context = context;
    while (!on_start && starts->running_count > 0) {
        pthread_cond_wait(&starts->done, &starts->mutex);
    }
    pthread_mutex_unlock(&starts->mutex);
    if (on_start) {
        request_all(sandboxes);
    }
}
