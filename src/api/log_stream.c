/* …/logs/stream: lines of the sandbox's life, its commands, its app and its services, as they come. */
#include "api/logs.h"

#include "api/event_stream.h"
#include "api/log_line.h"
#include "api/log_sources.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct log_stream {
    struct api *api;
    struct principal principal;
    char sandbox_id[ID_SIZE];
    struct subscription *subscription;
    struct log_sources sources;
    int client_fd;
    bool from_start, was_greeted, is_done;
    int64_t looked_ms; /* for new sources; monotonic */
    json_t *entries;   /* to be told */
    size_t next_entry;
    char cursor[48];
};

static void stream_free(void *context)
{
    struct log_stream *stream = context;
    log_sources_close(&stream->sources);
    events_unsubscribe(stream->subscription);
    json_decref(stream->entries);
    free(stream);
}

/* The entry, with the place behind it: what comes of programs has none. */
static int tell_entry(struct log_stream *stream, struct sse_event *sse)
{
    sse->name = "log";
    sse->data = json_incref(json_array_get(stream->entries, stream->next_entry++));
    bool is_last = stream->next_entry == json_array_size(stream->entries);
    sse->id = is_last && stream->cursor[0] ? stream->cursor : NULL;
    return 1;
}

static void look_for_sources(struct log_stream *stream)
{
    stream->looked_ms = clock_monotonic_ms();
    log_sources_open(&stream->sources, stream->api, &stream->principal, stream->sandbox_id,
                     stream->from_start, true);
    /* Those that come later began later: all of theirs is new. */
    stream->from_start = true;
}

static void take_event(struct log_stream *stream, const struct event *event)
{
    const char *text = json_string_value(json_object_get(event->data, "data"));
    const char *output = json_string_value(json_object_get(event->data, "stream"));
    if (text && output) {
        log_add_text(stream->entries, text, strlen(text), output, "exec", event->time_ms);
    } else {
        json_t *line = log_line_of_event(event->type, event->data, event->time_ms);
        if (line) {
            json_array_append_new(stream->entries, line);
        }
        look_for_sources(stream);
    }
}

/* Waits for any of them. False: the client went. */
static bool wait_for_any(struct log_stream *stream)
{
    struct pollfd polled[2 + LOG_SOURCES_MAX] = {
        {.fd = stream->client_fd, .events = POLLRDHUP},
        {.fd = events_fd(stream->subscription), .events = POLLIN},
    };
    for (int i = 0; i < stream->sources.count; i++) {
        struct agent_call *call = stream->sources.all[i].call;
        polled[2 + i] = (struct pollfd){.fd = call ? agent_call_fd(call) : -1, .events = POLLIN};
    }
    int ready = poll(polled, 2 + (nfds_t)stream->sources.count, SSE_KEEPALIVE_MS);
    return !(ready < 0 && errno != EINTR) && !(ready > 0 && polled[0].revents);
}

enum collected { COLLECTED_NOTHING, COLLECTED_SOMETHING, COLLECTED_TOLD };

/* SOMETHING: look at the entries and collect again. TOLD: sse holds an event of another kind. */
static enum collected collect(struct log_stream *stream, struct sse_event *sse)
{
    struct event event;
    struct error err = {0};
    json_array_clear(stream->entries);
    stream->next_entry = 0;
    stream->cursor[0] = '\0';
    log_sources_read(&stream->sources, stream->entries, true);
    if (json_array_size(stream->entries) > 0) {
        return COLLECTED_SOMETHING;
    }
    int got = events_next(stream->subscription, -1, 0, &event, &err);
    if (got > 0) {
        take_event(stream, &event);
        json_decref(event.data);
        events_position(stream->subscription, stream->cursor);
        return COLLECTED_SOMETHING;
    }
    if (got < 0) {
        stream->is_done = err.code != ERR_CONFLICT;
        (stream->is_done ? event_stream_tell_end : event_stream_tell_loss)(&err, sse);
        return COLLECTED_TOLD;
    }
    return COLLECTED_NOTHING;
}

static int greet(struct log_stream *stream, struct sse_event *sse)
{
    stream->was_greeted = true;
    events_position(stream->subscription, stream->cursor);
    sse->id = stream->cursor;
    return 2;
}

static int stream_next(void *context, struct sse_event *sse)
{
    struct log_stream *stream = context;
    if (!stream->was_greeted) {
        look_for_sources(stream);
        return greet(stream, sse);
    }
    while (stream->next_entry == json_array_size(stream->entries)) {
        if (stream->is_done) {
            return 0;
        }
        enum collected collected = collect(stream, sse);
        if (collected == COLLECTED_TOLD) {
            return 1;
        }
        if (collected == COLLECTED_NOTHING && !wait_for_any(stream)) {
            return 0;
        }
        if (collected == COLLECTED_NOTHING &&
            clock_monotonic_ms() - stream->looked_ms >= SSE_KEEPALIVE_MS) {
            look_for_sources(stream);
            return greet(stream, sse);
        }
    }
    return tell_entry(stream, sse);
}

void log_stream_handle(struct request *request)
{
    struct error err = {0};
    struct events_filter filter;
    bool is_over;
    struct log_stream *stream = calloc(1, sizeof(*stream));
    if (!stream || !(stream->entries = json_array())) {
        free(stream);
        error_set(&err, ERR_INTERNAL, ENOMEM, "follow the log");
        respond_error(request, &err);
        return;
    }
    if (event_stream_filter(request, &filter, &err) == 0) {
        filter.types = log_event_types;
        stream->subscription = event_stream_of_sandbox(request, &filter, &is_over, &err);
    }
    if (!stream->subscription) {
        stream_free(stream);
        respond_error(request, &err);
        return;
    }
    stream->api = api_of(request);
    stream->principal = *request_principal(request);
    memcpy(stream->sandbox_id, filter.sandbox_id, strlen(filter.sandbox_id) + 1);
    stream->client_fd = request_client_fd(request);
    stream->from_start = filter.from_start;
    respond_sse(request, stream_next, stream_free, stream);
}
