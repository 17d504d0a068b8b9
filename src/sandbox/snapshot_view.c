#include "sandbox/snapshot_view.h"

#include "agentclient/agentclient.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "sandbox/snapshot_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VIEW_MEMORY_MB = 512, /* or what the snapshot's sandbox had, where that was less */
    VIEW_PROCESSES = 32,
    VIEW_HELLO_MS = 2000, /* how long one that was ready before may take to answer */
};

/* What a starting thread works on: all its own, but the browser. */
struct start {
    struct sandboxes *sandboxes;
    struct browser *browser; /* stays while it is starting */
    struct snapshot_hold hold;
    struct store_snapshot snapshot;
};

static int64_t number_of(const struct store_snapshot *snapshot, const char *member)
{
    return json_integer_value(json_object_get(snapshot->definition, member));
}

static int create(const struct start *start, struct host_created *ret_created, struct error *err)
{
    const struct store_snapshot *snapshot = &start->snapshot;
    const char *image = json_string_value(json_object_get(snapshot->definition, "image_id"));
    int64_t memory_mb = number_of(snapshot, "memory_mb");
    struct host_create request = {
        .id = start->browser->id,
        .engine = snapshot->engine,
        .template_image = image ? image : "",
        .hostname = "snapshot",
        .cpu_count = 1,
        .memory_bytes = (memory_mb < VIEW_MEMORY_MB ? memory_mb : VIEW_MEMORY_MB) * 1024 * 1024,
        .disk_bytes = number_of(snapshot, "disk_mb") * 1024 * 1024,
        .process_limit = VIEW_PROCESSES,
        .network = HOST_NETWORK_NONE,
        .snapshot = snapshot->id,
        .snapshot_digest = snapshot->digest,
        .files_only = true,
    };
    struct hostclient *host = start->sandboxes->host;
    if (host_create(host, &request, ret_created, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.view.created");
    if (agent_hello(ret_created->agent_socket, AGENT_READY_MS, err) < 0) {
        struct error undo = {0};
        host_destroy(host, request.id, false, &undo);
        return -1;
    }
    return 0;
}

/* Tells whoever waits. */
static void finish(const struct start *start, const struct host_created *created,
                   const struct error *problem)
{
    struct browsers *browsers = &start->sandboxes->browsers;
    struct browser *browser = start->browser;
    pthread_mutex_lock(&browsers->mutex);
    browser->used_ms = clock_monotonic_ms();
    if (problem) {
        browser->state = BROWSER_FAILED;
        browser->problem = *problem;
    } else {
        browser->state = BROWSER_READY;
        memcpy(browser->agent_socket, created->agent_socket, sizeof(browser->agent_socket));
    }
    if (problem) {
        watch_request_reconcile(start->sandboxes); /* it may be there, as one that nobody knows */
    }
    if (browser->doomed && browser->uses == 0) {
        browser_end(start->sandboxes, browser);
    }
    browsers->starting--;
    pthread_cond_broadcast(&browsers->changed);
    pthread_mutex_unlock(&browsers->mutex);
}

static void start_free(struct start *start)
{
    hold_end(start->sandboxes, &start->hold);
    store_snapshot_clear(&start->snapshot);
    free(start);
}

static void *start_main(void *context)
{
    struct start *start = context;
    struct host_created created = {0};
    struct error err = {0};
    int result = create(start, &created, &err);
    if (result < 0) {
        log_warn("snapshot.view_failed", "snapshot=%s error=%s", start->snapshot.id, err.message);
    } else {
        snapshot_touch(start->sandboxes, start->snapshot.id, start->snapshot.retention_sec);
        log_info("snapshot.view_ready", "id=%s snapshot=%s", start->browser->id,
                 start->snapshot.id);
    }
    struct start done = *start;
    /* Given back before anybody is told: the snapshot can be deleted as soon as its files were seen. */
    start_free(start);
    finish(&done, &created, result < 0 ? &err : NULL);
    return NULL;
}

/* Takes start. Mutex held. */
static int run(struct browsers *browsers, struct start *start, struct error *err)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int problem = pthread_create(&thread, &attributes, start_main, start);
    pthread_attr_destroy(&attributes);
    if (problem) {
        browser_remove(browsers, start->browser);
        start_free(start);
        return error_set(err, ERR_INTERNAL, problem, "show a snapshot's files");
    }
    browsers->starting++;
    return 0;
}

/* Mutex held, given up meanwhile. */
static int start_browser(struct sandboxes *sandboxes, const char *tenant_id,
                         const char *snapshot_id, struct error *err)
{
    struct browsers *browsers = &sandboxes->browsers;
    struct start *start = calloc(1, sizeof(*start));
    if (!start) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "show a snapshot's files");
    }
    start->sandboxes = sandboxes;
    if (snapshot_find_held(sandboxes, tenant_id, NULL, snapshot_id, SNAPSHOT_HOLD_VIEW,
                           &start->hold, &start->snapshot, err) < 0) {
        hold_end(sandboxes, &start->hold);
        free(start);
        return -1;
    }
    start->browser = browser_add(sandboxes, tenant_id, start->snapshot.id, err);
    if (!start->browser) {
        start_free(start);
        return -1;
    }
    const char *workdir = json_string_value(json_object_get(start->snapshot.definition, "workdir"));
    snprintf(start->browser->workdir, sizeof(start->browser->workdir), "%s",
             workdir ? workdir : "/");
    return run(browsers, start, err);
}

/* Mutex held, given up meanwhile; the browser is in use. */
static void await(struct browsers *browsers, const struct browser *browser, int64_t wait_ms)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    while (browser->state == BROWSER_STARTING && !browsers->closing &&
           pthread_cond_timedwait(&browsers->changed, &browsers->mutex, &until) != ETIMEDOUT) {
    }
}

/* Gives up one use. Mutex held, and given up when that ends it. */
static void release(struct sandboxes *sandboxes, struct browser *browser)
{
    assert(browser->uses > 0);
    browser->uses--;
    browser->used_ms = clock_monotonic_ms();
    if (browser->uses == 0 && browser->state != BROWSER_STARTING &&
        (browser->doomed || browser->state == BROWSER_FAILED)) {
        browser_end(sandboxes, browser);
    }
}

/* One that was ready some time ago may have ended since. Mutex held, given up meanwhile. */
static bool answers(struct browsers *browsers, const struct browser *browser)
{
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    struct error ignored = {0};
    memcpy(agent_socket, browser->agent_socket, sizeof(agent_socket));
    pthread_mutex_unlock(&browsers->mutex);
    int result = agent_hello(agent_socket, VIEW_HELLO_MS, &ignored);
    pthread_mutex_lock(&browsers->mutex);
    return result == 0;
}

/* Finds or starts one and waits for it: as snapshot_view_begin. Mutex held, given up meanwhile. */
static int use_browser(struct sandboxes *sandboxes, const char *tenant_id, const char *snapshot_id,
                       int64_t wait_ms, struct browser **ret_browser, struct error *err)
{
    struct browsers *browsers = &sandboxes->browsers;
    struct browser *browser = browser_find(browsers, snapshot_id);
    if (browser && browser->state == BROWSER_READY) {
        browser->uses++;
        if (answers(browsers, browser)) {
            *ret_browser = browser;
            return 1;
        }
        browser->doomed = true;
        release(sandboxes, browser);
        browser = NULL;
    }
    if (!browser) {
        if (start_browser(sandboxes, tenant_id, snapshot_id, err) < 0) {
            return -1;
        }
        browser = browser_find(browsers, snapshot_id);
        assert(browser);
    }
    browser->uses++;
    await(browsers, browser, wait_ms);
    if (browser->state == BROWSER_READY) {
        *ret_browser = browser;
        return 1;
    }
    bool failed = browser->state == BROWSER_FAILED;
    if (failed) {
        *err = browser->problem;
    }
    release(sandboxes, browser);
    return failed ? -1 : 0;
}

int snapshot_view_begin(struct sandboxes *sandboxes, const struct principal *principal,
                        const char *snapshot_id, int64_t wait_ms, struct snapshot_view *ret_view,
                        struct error *err)
{
    struct browsers *browsers = &sandboxes->browsers;
    struct store_snapshot snapshot;
    struct browser *browser;
    *ret_view = (struct snapshot_view){0};
    if (change_need_host(sandboxes, err) < 0 ||
        snapshot_find_ready(sandboxes, principal->tenant_id, NULL, snapshot_id, &snapshot, err) <
            0) {
        return -1;
    }
    pthread_mutex_lock(&browsers->mutex);
    int result = use_browser(sandboxes, principal->tenant_id, snapshot.id, wait_ms, &browser, err);
    if (result > 0) {
        ret_view->browser = browser;
        memcpy(ret_view->agent_socket, browser->agent_socket, sizeof(ret_view->agent_socket));
        memcpy(ret_view->workdir, browser->workdir, sizeof(ret_view->workdir));
    }
    pthread_mutex_unlock(&browsers->mutex);
    store_snapshot_clear(&snapshot);
    return result;
}

void snapshot_view_end(struct sandboxes *sandboxes, struct snapshot_view *view, bool broken)
{
    struct browsers *browsers = &sandboxes->browsers;
    if (!view->browser) {
        return;
    }
    pthread_mutex_lock(&browsers->mutex);
    view->browser->doomed |= broken;
    release(sandboxes, view->browser);
    pthread_mutex_unlock(&browsers->mutex);
    *view = (struct snapshot_view){0};
}
