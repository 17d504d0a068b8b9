#include "sandbox/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sandbox/warm_pools.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
    /* Between attempts to reach atoll-host: what ends before it is watched again is not heard of. */
    RECONNECT_MS = 10,
    RECONNECT_SLOW_MS = 200, /* after RECONNECT_FAST attempts */
    RECONNECT_FAST = 500,
    RECONCILE_AGAIN_MS = 500, /* between rounds while something is unsettled */
};

void watch_request_reconcile(struct sandboxes *sandboxes)
{
    if (eventfd_write(sandboxes->watch_wake_fd, 1) < 0) {
        log_error("watch.wake_failed", "errno=%d", errno);
    }
}

static void first_round_is_done(struct sandboxes *sandboxes)
{
    pthread_mutex_lock(&sandboxes->host_mutex);
    sandboxes->first_round_done = true;
    pthread_cond_broadcast(&sandboxes->first_round);
    pthread_mutex_unlock(&sandboxes->host_mutex);
}

/* An event may be older than a later start of the same sandbox: ask before believing it. */
static bool is_alive(struct sandboxes *sandboxes, const char *id)
{
    struct host_usage usage;
    struct error ignored = {0};
    return host_usage(sandboxes->host, id, &usage, &ignored) == 0;
}

static void sandbox_ended(struct sandboxes *sandboxes, const struct host_ended *ended)
{
    struct sandbox *sandbox = registry_find(sandboxes, NULL, ended->id);
    if (!sandbox) {
        return;
    }
    if (is_alive(sandboxes, ended->id)) {
        sandbox_unref(sandbox);
        return;
    }
    pthread_mutex_lock(&sandbox->mutex);
    snprintf(sandbox->ended, sizeof(sandbox->ended), "%s",
             ended->reason[0] ? ended->reason : "its processes ended");
    memcpy(sandbox->ended_console, ended->console, sizeof(sandbox->ended_console));
    if (sandbox->busy) { /* whoever changes it applies this at the end */
        pthread_mutex_unlock(&sandbox->mutex);
        sandbox_unref(sandbox);
        return;
    }
    sandbox->busy = true;
    change_end(sandboxes, sandbox);
}

/* Connected: atoll-host answers, and what it has was compared with the store. */
static void set_connected(struct sandboxes *sandboxes)
{
    if (!atomic_exchange(&sandboxes->host_connected, true)) {
        log_info("host.connected", "version=%s cgroups=%s", sandboxes->host_info.version,
                 sandboxes->host_info.cgroup_mode);
    }
}

/* One round; returns whether another one is needed. */
static bool reconcile_round(struct sandboxes *sandboxes)
{
    struct error err = {0};
    bool again = false;
    if (reconcile(sandboxes, &again, &err) < 0) {
        log_warn("reconcile.failed", "error=%s", err.message);
        return true;
    }
    set_connected(sandboxes);
    return again;
}

/* Follows events until the connection ends or atolld does. */
static void follow(struct sandboxes *sandboxes, int fd)
{
    bool again = reconcile_round(sandboxes);
    warm_pools_send(sandboxes);
    first_round_is_done(sandboxes);
    int64_t next_round_ms = clock_monotonic_ms() + RECONCILE_AGAIN_MS;
    while (!sandboxes->closing) {
        int64_t wait_ms = again ? next_round_ms - clock_monotonic_ms() : -1;
        if (again && wait_ms <= 0) {
            again = reconcile_round(sandboxes);
            next_round_ms = clock_monotonic_ms() + RECONCILE_AGAIN_MS;
            continue;
        }
        struct pollfd polled[] = {{fd, POLLIN, 0}, {sandboxes->watch_wake_fd, POLLIN, 0}};
        if (poll(polled, 2, (int)wait_ms) < 0 && errno != EINTR) {
            return;
        }
        eventfd_t count;
        if (polled[1].revents && eventfd_read(sandboxes->watch_wake_fd, &count) == 0) {
            again = true;
        }
        struct host_ended ended;
        if (polled[0].revents && host_watch_next(fd, &ended) < 0) {
            return;
        }
        if (polled[0].revents) {
            sandbox_ended(sandboxes, &ended);
        }
    }
}

static void pause_before_reconnect(struct sandboxes *sandboxes, int failures)
{
    struct pollfd wake = {sandboxes->watch_wake_fd, POLLIN, 0};
    int64_t left_ms = failures < RECONNECT_FAST ? RECONNECT_MS : RECONNECT_SLOW_MS;
    int64_t until_ms = clock_monotonic_ms() + left_ms;
    while (!sandboxes->closing && left_ms > 0) {
        eventfd_t count;
        if (poll(&wake, 1, (int)left_ms) > 0 && eventfd_read(wake.fd, &count) < 0) {
            return;
        }
        left_ms = until_ms - clock_monotonic_ms();
    }
}

static void *watch_main(void *context)
{
    struct sandboxes *sandboxes = context;
    for (int failures = 0; !sandboxes->closing; failures++) {
        auto_close int fd = -1;
        struct error err = {0};
        struct host_info info;
        /* The watch comes first, so that no end is missed between list and watch. */
        if (host_watch(sandboxes->host, &fd, &err) == 0 &&
            host_hello(sandboxes->host, &info, &err) == 0) {
            pthread_mutex_lock(&sandboxes->host_mutex);
            sandboxes->host_info = info;
            pthread_mutex_unlock(&sandboxes->host_mutex);
            failures = 0;
            follow(sandboxes, fd);
            snprintf(err.message, sizeof(err.message), "the connection ended");
        }
        sandboxes->host_connected = false;
        if (failures == 0 && !sandboxes->closing) {
            log_warn("host.unreachable", "error=%s", err.message);
        }
        first_round_is_done(sandboxes);
        pause_before_reconnect(sandboxes, failures);
    }
    return NULL;
}

int watcher_start(struct sandboxes *sandboxes, struct error *err)
{
    int problem = pthread_create(&sandboxes->watch_thread, NULL, watch_main, sandboxes);
    if (problem) {
        return error_set(err, ERR_INTERNAL, problem, "start the watch thread");
    }
    sandboxes->watch_started = true;
    pthread_mutex_lock(&sandboxes->host_mutex);
    while (!sandboxes->first_round_done) {
        pthread_cond_wait(&sandboxes->first_round, &sandboxes->host_mutex);
    }
    pthread_mutex_unlock(&sandboxes->host_mutex);
    return 0;
}

void watcher_stop(struct sandboxes *sandboxes)
{
    if (sandboxes->watch_started) {
        watch_request_reconcile(sandboxes); /* wakes it; closing is set */
        pthread_join(sandboxes->watch_thread, NULL);
        sandboxes->watch_started = false;
    }
}
