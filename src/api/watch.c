/* GET …/files/watch: changes of files as they happen. */
#include "api/api.h"
#include "api/file_json.h"
#include "api/file_use.h"
#include "api/ports.h"
#include "api/watch_event.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 1000, /* a frozen sandbox says nothing: look whether it is still running */
    NEWS_MS = 300,  /* the end of a sandbox is known shortly after its agent went silent */
};

enum phase { PHASE_READY, PHASE_RUNNING, PHASE_DONE };

struct watch_stream {
    struct sandboxes *sandboxes;
    struct agent_call *call;
    char sandbox_id[ID_SIZE];
    uint64_t run; /* of the sandbox's processes */
    int client_fd, ending_fd;
    enum phase phase;
    int64_t keepalive_ms; /* monotonic: when it is time for one */
    bool recursive;
    struct watch_change change;
    char path[AGENT_PATH_MAX];
};

static int tell_end(struct watch_stream *watch, const char *reason, const char *message,
                    bool retryable, struct sse_event *event)
{
    char stamp[CLOCK_ISO8601_SIZE];
    watch->phase = PHASE_DONE;
    event->name = "end";
    event->data =
        json_pack("{s:s, s:s, s:b, s:s}", "reason", reason, "message", message, "retryable",
                  retryable, "timestamp", clock_iso8601(clock_realtime_ms(), stamp));
    return 1;
}

/* What became of the sandbox. false: it runs as before. */
static bool tell_sandbox_end(struct watch_stream *watch, const struct sandbox_view *view,
                             struct sse_event *event)
{
    if (!view || view->state == SANDBOX_DESTROYING || view->state == SANDBOX_DESTROYED) {
        return tell_end(watch, "destroyed", "the sandbox was destroyed", false, event);
    }
    if (view->state == SANDBOX_ERROR) {
        return tell_end(watch, "error", "the sandbox ended by itself", false, event);
    }
    if (view->state == SANDBOX_PAUSED || view->run != watch->run) {
        return tell_end(watch, "paused", "the sandbox was paused or stopped", true, event);
    }
    return false;
}

static int tell_failure(struct watch_stream *watch, const struct error *err,
                        struct sse_event *event)
{
    struct sandbox_view view;
    if (err->code == ERR_FILE_NOT_FOUND || err->code == ERR_NOT_DIRECTORY) {
        return tell_end(watch, "gone", "the watched path is gone", false, event);
    }
    if (err->code == ERR_WATCH_LIMIT) {
        return tell_end(watch, "limit", err->message, false, event);
    }
    bool found = sandbox_await_end(watch->sandboxes, watch->sandbox_id, watch->run, NEWS_MS, &view);
    if (found &&
        view.state == SANDBOX_PAUSING) { /* and its processes are gone: it is being stopped */
        view.state = SANDBOX_PAUSED;
    }
    return tell_sandbox_end(watch, found ? &view : NULL, event)
               ? 1
               : tell_end(watch, "internal", err->message, true, event);
}

static int tell_ready(struct watch_stream *watch, struct sse_event *event)
{
    watch->phase = PHASE_RUNNING;
    event->name = "ready";
    event->data =
        json_pack("{s:o, s:b}", "path", file_path_json(watch->path), "recursive", watch->recursive);
    return 1;
}

enum wait_result { WAIT_NEWS, WAIT_LEFT, WAIT_ENDING, WAIT_NOTHING };

static enum wait_result wait_for_news(const struct watch_stream *watch, int64_t wait_ms)
{
    struct pollfd polled[] = {
        {.fd = agent_call_fd(watch->call), .events = POLLIN},
        {.fd = watch->client_fd, .events = POLLRDHUP},
        {.fd = watch->ending_fd, .events = POLLIN},
    };
    int ready = poll(polled, 3, (int)wait_ms);
    if (ready <= 0) {
        return ready < 0 && errno != EINTR ? WAIT_LEFT : WAIT_NOTHING;
    }
    if (polled[1].revents) {
        return WAIT_LEFT;
    }
    return polled[2].revents ? WAIT_ENDING : WAIT_NEWS;
}

/* Nothing came for a while. 0: go on waiting. */
static int look_around(struct watch_stream *watch, struct sse_event *event)
{
    struct sandbox_view view;
    bool found = sandbox_peek(watch->sandboxes, watch->sandbox_id, NULL, &view);
    if (tell_sandbox_end(watch, found ? &view : NULL, event)) {
        return 1;
    }
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < watch->keepalive_ms) {
        return 0;
    }
    watch->keepalive_ms = now_ms + SSE_KEEPALIVE_MS;
    return 2;
}

static int follow(struct watch_stream *watch, struct sse_event *event)
{
    struct error err = {0};
    for (;;) {
        int got = watch_next(watch->call, -1, 0, &watch->change, &err);
        if (got > 0) {
            watch_event_make(&watch->change, event);
            watch->keepalive_ms = clock_monotonic_ms() + SSE_KEEPALIVE_MS;
            return 1;
        }
        if (got < 0) {
            return tell_failure(watch, &err, event);
        }
        enum wait_result result = wait_for_news(watch, LOOK_MS);
        if (result == WAIT_LEFT) {
            return 0;
        }
        if (result == WAIT_ENDING) {
            return tell_end(watch, "shutting_down", "the service is stopping", true, event);
        }
        int told = result == WAIT_NOTHING ? look_around(watch, event) : 0;
        if (told) {
            return told;
        }
    }
}

static int watch_stream_next(void *context, struct sse_event *event)
{
    struct watch_stream *watch = context;
    if (watch->phase == PHASE_READY) {
        return tell_ready(watch, event);
    }
    return watch->phase == PHASE_DONE ? 0 : follow(watch, event);
}

static void watch_stream_free(void *context)
{
    struct watch_stream *watch = context;
    agent_call_free(watch->call);
    free(watch);
}

/* Whoever watches does not wake: clients that come back by themselves would never let it sleep. */
static int check_awake(struct request *request, struct sandbox_view *ret_view, struct error *err)
{
    struct sandbox_view *view = ret_view;
    bool found = sandbox_peek(api_of(request)->sandboxes, request_param(request, "id"), NULL, view);
    bool sleeps = view->state == SANDBOX_PAUSED || view->state == SANDBOX_PAUSING;
    if (found && sleeps && strcmp(view->tenant_id, request_principal(request)->tenant_id) == 0) {
        error_set(err, ERR_NOT_RUNNING, 0, "sandbox must be in running state; it is paused");
        return error_hint(err,
                          "Resume it first: watching files does not, whatever auto_resume says.");
    }
    return 0;
}

/* The use ends when the watch stands, because watching is no activity. */
static int start(struct request *request, struct watch_stream *watch, struct error *err)
{
    auto_file_use struct file_use use = {0};
    struct sandbox_view view = {0};
    const char *path = request_query(request, "path");
    if (request_query_bool(request, "recursive", true, &watch->recursive, err) ||
        check_awake(request, &view, err) || file_use_begin(&use, request, err) ||
        file_use_path(&use, path ? path : use.sandbox.workdir, "path", watch->path, err)) {
        return -1;
    }
    /* After the use began: this run's processes are the ones that are asked. */
    sandbox_peek(watch->sandboxes, use.sandbox.id, NULL, &view);
    watch->run = view.run;
    memcpy(watch->sandbox_id, use.sandbox.id, sizeof(watch->sandbox_id));
    watch->call = watch_start(use.sandbox.agent_socket, watch->path, watch->recursive, err);
    return watch->call ? 0 : file_use_failed(&use, err);
}

static void watch_handle(struct request *request)
{
    struct error err = {0};
    struct watch_stream *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        error_set(&err, ERR_INTERNAL, ENOMEM, "watch files");
        respond_error(request, &err);
        return;
    }
    watch->sandboxes = api_of(request)->sandboxes;
    watch->client_fd = request_client_fd(request);
    watch->ending_fd = request_ending_fd(request);
    watch->keepalive_ms = clock_monotonic_ms() + SSE_KEEPALIVE_MS;
    if (start(request, watch, &err)) {
        watch_stream_free(watch);
        respond_error(request, &err);
        return;
    }
    respond_sse(request, watch_stream_next, watch_stream_free, watch);
}

const struct route api_watch_routes[] = {
    {.method = "GET",
     .pattern = "/sandboxes/{id}/files/watch",
     .scope = SCOPE_SANDBOXES_READ,
     .flags = ROUTE_SSE_TICKET,
     .handler = watch_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/ports",
     .scope = SCOPE_SANDBOXES_READ,
     .handler = api_ports_handle},
    {0},
};
