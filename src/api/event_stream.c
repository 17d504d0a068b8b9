#include "api/event_stream.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { TYPES_MAX_BYTES = 1024 };

enum phase { PHASE_GREETING, PHASE_RUNNING, PHASE_DONE };

struct event_stream {
    struct subscription *subscription;
    int client_fd;
    enum phase phase;
    struct event event; /* what is being sent, or waits for that: data set */
    char cursor[sizeof(((struct event *)0)->cursor)];
    struct error loss; /* to be told first */
};

int event_stream_filter(const struct request *request, struct events_filter *ret_filter,
                        struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-,*";
    const char *types = request_query(request, "types");
    const char *cursor = request_header(request, "Last-Event-ID");
    *ret_filter = (struct events_filter){
        .tenant_id = request_principal(request)->tenant_id,
        .types = types,
        .cursor = cursor && *cursor ? cursor : request_query(request, "last_event_id"),
    };
    if (types && (strlen(types) > TYPES_MAX_BYTES || types[strspn(types, allowed)])) {
        error_set_field(err, ERR_VALIDATION, "types",
                        "types is a comma-separated list of event types of at most %d bytes",
                        TYPES_MAX_BYTES);
        return error_hint(err, "Such as types=state_changed,sandbox.exec.*");
    }
    return request_query_bool(request, "replay", false, &ret_filter->from_start, err);
}

/* Is it over? -1: the tenant has no such sandbox. Takes its state into the subscription. */
static int look_at_state(struct request *request, struct subscription *subscription,
                         bool *ret_is_over, struct error *err)
{
    json_t *sandbox = NULL;
    if (sandbox_get(api_of(request)->sandboxes, request_principal(request),
                    request_param(request, "id"), &sandbox, err) < 0) {
        return -1;
    }
    const char *state = json_string_value(json_object_get(sandbox, "state"));
    *ret_is_over = state && (strcmp(state, "destroyed") == 0 || strcmp(state, "error") == 0);
    if (subscription && state) {
        events_assume_state(subscription, state);
    }
    json_decref(sandbox);
    return 0;
}

struct subscription *event_stream_of_sandbox(struct request *request, struct events_filter *filter,
                                             bool *ret_is_over, struct error *err)
{
    struct events *events = api_of(request)->events;
    filter->sandbox_id = request_param(request, "id");
    if (look_at_state(request, NULL, ret_is_over, err) < 0) {
        return NULL;
    }
    if (*ret_is_over) {
        filter->from_start = true;
    }
    struct subscription *subscription = events_subscribe(events, filter, err);
    bool was_over = *ret_is_over;
    if (subscription && look_at_state(request, subscription, ret_is_over, err) < 0) {
        return events_unsubscribe(subscription);
    }
    if (subscription && *ret_is_over && !was_over) {
        /* It ended in between, and its last event may lie before the subscription. */
        events_unsubscribe(subscription);
        return event_stream_of_sandbox(request, filter, ret_is_over, err);
    }
    return subscription;
}

/* --- telling --- */

void event_stream_tell_loss(const struct error *err, struct sse_event *ret_sse)
{
    ret_sse->name = "lost";
    ret_sse->data = json_pack("{s:s, s:s}", "kind", err->field, "message", err->message);
}

void event_stream_tell_end(const struct error *err, struct sse_event *ret_sse)
{
    bool destroyed = err->code == ERR_NOT_FOUND, failed = err->code == ERR_NOT_RUNNING;
    const char *reason = destroyed                        ? "destroyed"
                         : failed                         ? "error"
                         : err->code == ERR_SHUTTING_DOWN ? "shutting_down"
                                                          : "internal";
    char stamp[CLOCK_ISO8601_SIZE];
    ret_sse->name = "end";
    ret_sse->data =
        json_pack("{s:s, s:s, s:b, s:s}", "reason", reason, "message", err->message, "retryable",
                  !destroyed && !failed, "timestamp", clock_iso8601(clock_realtime_ms(), stamp));
}

static int tell_current(struct event_stream *stream, struct sse_event *sse)
{
    sse->name = stream->event.type;
    sse->data = stream->event.data;
    stream->event.data = NULL;
    memcpy(stream->cursor, stream->event.cursor, sizeof(stream->cursor));
    sse->id = stream->cursor[0] ? stream->cursor : NULL;
    return 1;
}

static int tell_loss(struct event_stream *stream, const struct error *err, struct sse_event *sse)
{
    events_position(stream->subscription, stream->cursor);
    sse->id = stream->cursor;
    event_stream_tell_loss(err, sse);
    return 1;
}

static int tell_end(struct event_stream *stream, const struct error *err, struct sse_event *sse)
{
    stream->phase = PHASE_DONE;
    event_stream_tell_end(err, sse);
    return 1;
}

static int greet(struct event_stream *stream, struct sse_event *sse)
{
    events_position(stream->subscription, stream->cursor);
    sse->id = stream->cursor;
    stream->phase = PHASE_RUNNING;
    return 2;
}

static int wait_for_event(struct event_stream *stream, struct sse_event *sse)
{
    struct error err = {0};
    int got = events_next(stream->subscription, stream->client_fd, SSE_KEEPALIVE_MS, &stream->event,
                          &err);
    if (got > 0) {
        return 1;
    }
    if (got == 0) {
        return greet(stream, sse);
    }
    if (err.code == ERR_CANCELLED) {
        stream->phase = PHASE_DONE;
        return 0;
    }
    if (err.code == ERR_INTERNAL) {
        log_error("events.stream", "error=%s", err.message);
    }
    return err.code == ERR_CONFLICT ? tell_loss(stream, &err, sse) : tell_end(stream, &err, sse);
}

static int stream_next(void *context, struct sse_event *sse)
{
    struct event_stream *stream = context;
    if (stream->phase == PHASE_GREETING && !stream->event.data && !stream->loss.code) {
        return greet(stream, sse);
    }
    stream->phase = stream->phase == PHASE_GREETING ? PHASE_RUNNING : stream->phase;
    if (stream->loss.code) {
        struct error loss = stream->loss;
        stream->loss.code = ERR_NONE;
        return tell_loss(stream, &loss, sse);
    }
    if (stream->phase == PHASE_DONE) {
        return 0;
    }
    int got = stream->event.data ? 1 : wait_for_event(stream, sse);
    return stream->event.data ? tell_current(stream, sse) : got;
}

static void stream_free(void *context)
{
    struct event_stream *stream = context;
    json_decref(stream->event.data);
    events_unsubscribe(stream->subscription);
    free(stream);
}

void event_stream_respond(struct request *request, struct subscription *subscription, bool is_over)
{
    struct error err = {0};
    struct event_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        events_unsubscribe(subscription);
        error_set(&err, ERR_INTERNAL, 0, "no memory for a stream");
        respond_error(request, &err);
        return;
    }
    stream->subscription = subscription;
    stream->client_fd = request_client_fd(request);
    if (is_over && events_next(subscription, -1, 0, &stream->event, &err) < 0) {
        if (err.code != ERR_CONFLICT) {
            stream_free(stream);
            respond_bytes(request, 204, "", "", 0);
            return;
        }
        stream->loss = err;
    }
    respond_sse(request, stream_next, stream_free, stream);
}
