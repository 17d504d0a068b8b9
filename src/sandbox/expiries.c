#include "sandbox/internal.h"

#include "base/clock.h"
#include "base/log.h"

/*
 * What is due is paused or destroyed by a few threads: saving a machine's memory takes as long as it takes, and the
 * timeouts of others do not wait for it.
 */

enum {
    RETRY_MS = 5000,    /* after a pause or destroy that failed */
    BUSY_RETRY_MS = 10, /* somebody else was changing it */
};

void expiries_init(struct expiries *expiries)
{
    pthread_mutex_init(&expiries->mutex, NULL);
    pthread_cond_init(&expiries->work, NULL);
}

/* Pauses or destroys it, if it is still due once it is ours. Takes the reference. */
static void expire(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct error err = {0};
    if (change_begin_found(sandboxes, sandbox, 0, &err) < 0) {
        sandbox_unref(sandbox); /* being changed: looked at again in the next round */
        return;
    }
    const char *source;
    if (sandbox_deadline_ms(sandbox, &source) <= clock_monotonic_ms()) {
        int result = sandbox->record.persistent ? pause_busy(sandboxes, sandbox, source, &err)
                                                : destroy_busy(sandboxes, sandbox, source, &err);
        if (result < 0) {
            log_warn("sandbox.timeout_failed", "id=%s source=%s error=%s", sandbox->record.id,
                     source, err.message);
            sandbox->retry_after_ms = clock_monotonic_ms() + RETRY_MS;
        } else {
            atomic_fetch_add(&sandboxes->timeouts_total, 1);
        }
    }
    change_end(sandboxes, sandbox);
}

/* It may be due again: it failed, or was being changed. */
static void finish(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    const char *source;
    pthread_mutex_lock(&sandbox->mutex);
    sandbox->expiring = false;
    int64_t deadline_ms = sandbox_deadline_ms(sandbox, &source);
    pthread_mutex_unlock(&sandbox->mutex);
    int64_t soon_ms = clock_monotonic_ms() + BUSY_RETRY_MS;
    timers_note(sandboxes, deadline_ms > soon_ms ? deadline_ms : soon_ms);
    sandbox_unref(sandbox);
}

static struct sandbox *pop(struct expiries *expiries)
{
    struct sandbox *sandbox = expiries->first;
    if (sandbox) {
        expiries->first = sandbox->next_expiry;
        expiries->last = expiries->first ? expiries->last : NULL;
    }
    return sandbox;
}

static void *expire_main(void *argument)
{
    struct sandboxes *sandboxes = argument;
    struct expiries *expiries = &sandboxes->expiries;
    pthread_mutex_lock(&expiries->mutex);
    while (!expiries->closing) {
        struct sandbox *sandbox = pop(expiries);
        if (!sandbox) {
            expiries->idle_count++;
            pthread_cond_wait(&expiries->work, &expiries->mutex);
            expiries->idle_count--;
            continue;
        }
        pthread_mutex_unlock(&expiries->mutex);
        expire(sandboxes, sandbox_ref(sandbox));
        finish(sandboxes, sandbox);
        pthread_mutex_lock(&expiries->mutex);
    }
    pthread_mutex_unlock(&expiries->mutex);
    return NULL;
}

/* A thread more, when all have something to do. False: there is none at all. Mutex held. */
static bool add_thread(struct sandboxes *sandboxes)
{
    struct expiries *expiries = &sandboxes->expiries;
    if (expiries->idle_count == 0 && expiries->thread_count < EXPIRY_THREADS &&
        pthread_create(&expiries->threads[expiries->thread_count], NULL, expire_main, sandboxes) ==
            0) {
        expiries->thread_count++;
    }
    return expiries->thread_count > 0;
}

void expiries_request(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct expiries *expiries = &sandboxes->expiries;
    pthread_mutex_lock(&sandbox->mutex);
    sandbox->expiring = true;
    pthread_mutex_unlock(&sandbox->mutex);
    pthread_mutex_lock(&expiries->mutex);
    bool queued = add_thread(sandboxes);
    if (queued) {
        sandbox->next_expiry = NULL;
        *(expiries->last ? &expiries->last->next_expiry : &expiries->first) = sandbox;
        expiries->last = sandbox;
        pthread_cond_signal(&expiries->work);
    }
    pthread_mutex_unlock(&expiries->mutex);
    if (!queued) {
        expire(sandboxes, sandbox_ref(sandbox));
        finish(sandboxes, sandbox);
    }
}

void expiries_close(struct expiries *expiries)
{
    struct sandbox *sandbox;
    pthread_mutex_lock(&expiries->mutex);
    expiries->closing = true;
    pthread_cond_broadcast(&expiries->work);
    pthread_mutex_unlock(&expiries->mutex);
    for (int i = 0; i < expiries->thread_count; i++) {
        pthread_join(expiries->threads[i], NULL);
    }
    while ((sandbox = pop(expiries))) {
        sandbox_unref(sandbox);
    }
    pthread_cond_destroy(&expiries->work);
    pthread_mutex_destroy(&expiries->mutex);
}
