#include "api/processes.h"

#include "api/api.h"
#include "api/job_json.h"
#include "api/job_use.h"
#include "api/output_event.h"
#include "api/output_lines.h"
#include "api/utf8_json.h"

#include <string.h>

enum { TAIL_DEFAULT = 1000, TAIL_MAX = 100000 };

/* The last lines of what was read so far. */
struct tail {
    int64_t max;
    int only; /* the stream to keep, or -1 */
    int64_t dropped, lost_bytes;
    json_t *entries; /* {line, stream, t} */
    struct output_lines output;
    int64_t time_ms;
};

static int parse_stream(const struct request *request, int *ret_only, struct error *err)
{
    const char *text = request_query(request, "stream");
    *ret_only = -1;
    if (!text || !*text || strcmp(text, "all") == 0) {
        return 0;
    }
    for (int i = 0; i < OUTPUT_STREAMS; i++) {
        if (strcmp(text, output_stream_name(i)) == 0) {
            *ret_only = i;
            return 0;
        }
    }
    return error_set_field(err, ERR_VALIDATION, "stream", "stream must be stdout, stderr or all");
}

/* Drops in blocks, because the front of an array is far from its end. */
static void drop_oldest(struct tail *tail, int64_t slack)
{
    size_t count = json_array_size(tail->entries);
    if ((int64_t)count <= tail->max + slack) {
        return;
    }
    json_t *kept = json_array();
    for (size_t i = count - (size_t)tail->max; i < count; i++) {
        json_array_append(kept, json_array_get(tail->entries, i));
    }
    tail->dropped += (int64_t)count - tail->max;
    json_decref(tail->entries);
    tail->entries = kept;
}

static void take_lines(struct tail *tail, enum output_take take)
{
    int stream;
    struct bytes_view piece;
    while (output_lines_next(&tail->output, take, &stream, &piece)) {
        if (tail->only >= 0 && stream != tail->only) {
            continue;
        }
        bool exact;
        size_t length = piece.length - (piece.data[piece.length - 1] == '\n' ? 1 : 0);
        json_array_append_new(tail->entries,
                              json_pack("{s:o,s:s,s:o}", "line",
                                        utf8_json(piece.data, length, &exact), "stream",
                                        output_stream_name(stream), "t", job_time(tail->time_ms)));
        drop_oldest(tail, tail->max + 1024);
    }
}

static int take_piece(struct tail *tail, const struct session_event *event, struct error *err)
{
    if (event->lost_bytes > 0) {
        take_lines(tail, OUTPUT_FINAL);
        output_lines_lose(&tail->output);
        tail->lost_bytes += event->lost_bytes;
    }
    tail->time_ms = event->time_ms;
    if (output_lines_add(&tail->output, event->stream == 2 ? 1 : 0, event->bytes,
                         event->position)) {
        return error_set(err, ERR_INTERNAL, 0, "no memory for a process's output");
    }
    take_lines(tail, OUTPUT_WHOLE);
    return 0;
}

static int read_all(struct tail *tail, const struct sandbox_use *use, const char *id, int client_fd,
                    struct error *err)
{
    struct agent_call *call = session_read(use->agent_socket, id, 0, false, 0, 0, err);
    int result = call ? 1 : -1;
    while (result > 0) {
        struct session_event event;
        result = session_next(call, client_fd, AGENT_SILENCE_MAX_MS, &event, err);
        if (result == 0) {
            result =
                error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the sandbox's agent does not answer");
        } else if (result > 0 && event.type == SESSION_EVENT_OUTPUT) {
            result = take_piece(tail, &event, err) ? -1 : 1;
        } else if (result > 0 && event.type == SESSION_EVENT_END) {
            take_lines(tail, OUTPUT_FINAL);
            result = 0;
        }
    }
    agent_call_free(call);
    return result;
}

/* Both shapes that clients read: the lines as strings below data, and as objects beside it. */
static json_t *logs_json(struct tail *tail)
{
    char place[OUTPUT_PLACE_SIZE];
    json_t *lines = json_array();
    size_t i;
    json_t *entry;
    drop_oldest(tail, 0);
    json_array_foreach(tail->entries, i, entry)
    {
        json_array_append(lines, json_object_get(entry, "line"));
    }
    const char *position = output_lines_place(&tail->output, place);
    json_t *data = json_pack("{s:I,s:o,s:b,s:I,s:s?}", "count", (json_int_t)json_array_size(lines),
                             "lines", lines, "truncated", tail->dropped > 0 || tail->lost_bytes > 0,
                             "lost_bytes", (json_int_t)tail->lost_bytes, "position", position);
    return json_pack("{s:o,s:I,s:O}", "data", data, "count", (json_int_t)json_array_size(lines),
                     "logs", tail->entries);
}

json_t *process_logs_json(struct request *request, const struct sandbox_use *use,
                          const struct session *session, struct error *err)
{
    struct tail tail = {0};
    static const struct output_place beginning;
    if (request_query_int(request, "tail", 0, TAIL_MAX, TAIL_DEFAULT, &tail.max, err) ||
        parse_stream(request, &tail.only, err)) {
        return NULL;
    }
    json_t *reply = NULL;
    tail.entries = json_array();
    output_lines_init(&tail.output, &beginning);
    if (read_all(&tail, use, session->id, request_client_fd(request), err) == 0) {
        reply = logs_json(&tail);
    } else {
        job_failed(api_of(request), use, err);
    }
    output_lines_free(&tail.output);
    json_decref(tail.entries);
    return reply;
}

void process_logs_handle(struct request *request)
{
    struct sandbox_use use;
    struct session session;
    struct error err = {0};
    if (job_use_begin(request, &use, &session, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *reply = process_logs_json(request, &use, &session, &err);
    sandbox_use_end(api_of(request)->sandboxes, &use);
    if (!reply) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, reply);
}
