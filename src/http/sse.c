/* Server-sent events: text of events, one after the other, as next makes them. */
#include "http/request.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { EVENT_MAX = 1024 * 1024 };

struct event_source {
    int (*next)(void *context, struct sse_event *ret_event);
    void (*destroy)(void *context);
    void *context;
    struct buffer text; /* of the current event */
    size_t sent;        /* of it */
};

static int write_event(struct event_source *source, struct sse_event *event)
{
    if (json_is_object(event->data) && !json_object_get(event->data, "type")) {
        json_object_set_new(event->data, "type", json_string(event->name));
    }
    char *data = json_dumps(event->data, JSON_COMPACT);
    json_decref(event->data);
    event->data = NULL;
    int failed = !data || buffer_printf(&source->text, "event: %s\n", event->name);
    if (!failed && event->id) {
        failed = buffer_printf(&source->text, "id: %s\n", event->id);
    }
    if (!failed) {
        failed = buffer_append(&source->text, "data: ", 6) ||
                 buffer_append(&source->text, data, strlen(data)) ||
                 buffer_append(&source->text, "\n\n", 2);
    }
    free(data);
    return failed ? -1 : 0;
}

/* A comment, and where the client is now: a block without data moves its Last-Event-ID and nothing else. */
static int write_nothing_yet(struct event_source *source, const char *id)
{
    return buffer_append(&source->text, ": keepalive\n", 12) ||
           (id && buffer_printf(&source->text, "id: %s\n", id)) ||
           buffer_append(&source->text, "\n", 1);
}

/* Returns 1 when there is text to send, 0 at the end, -1 when an event cannot be written. */
static int refill(struct event_source *source)
{
    struct sse_event event = {0};
    source->text.length = source->sent = 0;
    int got = source->next(source->context, &event);
    if (got == 2) {
        return write_nothing_yet(source, event.id) ? -1 : 1;
    }
    if (got != 1) {
        return got == 0 ? 0 : -1;
    }
    if (write_event(source, &event)) {
        log_error("http.sse_event", "an event is too large or memory is out: name=%s", event.name);
        return -1;
    }
    return 1;
}

static ssize_t events_read(void *context, char *bytes, size_t max)
{
    struct event_source *source = context;
    if (source->sent == source->text.length) {
        int got = refill(source);
        if (got <= 0) {
            return got;
        }
    }
    size_t length = source->text.length - source->sent;
    length = length < max ? length : max;
    memcpy(bytes, source->text.data + source->sent, length);
    source->sent += length;
    return (ssize_t)length;
}

static void events_destroy(void *context)
{
    struct event_source *source = context;
    if (source->destroy) {
        source->destroy(source->context);
    }
    buffer_free(&source->text);
    free(source);
}

void respond_sse(struct request *request, int (*next)(void *context, struct sse_event *ret_event),
                 void (*destroy)(void *context), void *context)
{
    struct event_source *source = malloc(sizeof(*source));
    if (!source) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, 0, "out of memory");
        if (destroy) {
            destroy(context);
        }
        respond_error(request, &err);
        return;
    }
    /* A little over the promised maximum, for the field names. */
    *source = (struct event_source){next, destroy, context, BUFFER_INIT(EVENT_MAX + 1024), 0};
    respond_header(request, "X-Accel-Buffering", "no");
    respond_stream(request, 200, "text/event-stream", -1,
                   (struct respond_source){events_read, events_destroy, source});
}
