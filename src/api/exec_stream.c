#include "api/exec.h"

#include "api/api.h"
#include "api/exec_lines.h"
#include "api/exec_live.h"
#include "api/exec_request.h"
#include "api/exec_result.h"
#include "api/exec_session.h"
#include "api/output_event.h"
#include "api/utf8_json.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_QUEUE_BYTES = 256 * 1024 };

enum phase { PHASE_STARTED, PHASE_RUNNING, PHASE_ENDED, PHASE_DONE };

/* Order of the pieces: a stream's index here. */
enum { OUT, ERRORS, STREAM_COUNT };

struct exec_stream {
    struct api *api;
    struct sandbox_use use;
    struct exec_request parsed;
    struct exec_session session;
    struct exec_lines lines[STREAM_COUNT];
    enum phase phase;
    char exec_id[ID_SIZE];
    char request_id[64];
    int64_t pid;
    int64_t changed_ms; /* when output last came */
    struct agent_exit ended;
    struct error broken; /* code 0: it ended by itself */
};

static void stream_free(void *context)
{
    struct exec_stream *stream = context;
    if (stream->exec_id[0]) {
        exec_live_remove(stream->exec_id);
    }
    exec_session_end(&stream->session);
    exec_request_free(&stream->parsed);
    for (int i = 0; i < STREAM_COUNT; i++) {
        buffer_free(&stream->lines[i].bytes);
    }
    if (stream->api) {
        sandbox_use_end(stream->api->sandboxes, &stream->use);
    }
    free(stream);
}

/* --- events --- */

static int started_event(struct exec_stream *stream, struct sse_event *event)
{
    event->name = "started";
    event->data = json_pack("{s:s,s:s,s:I}", "type", "started", "exec_id", stream->exec_id, "pid",
                            (json_int_t)stream->pid);
    return event->data ? 1 : 0;
}

static int piece_event(int index, const struct bytes_view *piece, struct sse_event *event)
{
    event->name = output_stream_name(index);
    event->data = output_event_json(index, piece);
    return event->data ? 1 : 0;
}

static json_t *broken_json(const struct exec_stream *stream)
{
    const struct error *err = &stream->broken;
    bool exact;
    json_t *message = utf8_json(err->message, strlen(err->message), &exact);
    return json_pack("{s:i,s:b,s:{s:s,s:o,s:b,s:s}}", "exit_code", EXEC_CODE_BROKEN, "timed_out", 0,
                     "error", "code", error_api_code(err->code), "message", message, "retryable",
                     error_retryable(err->code), "request_id", stream->request_id);
}

static int exit_event(struct exec_stream *stream, struct sse_event *event)
{
    stream->phase = PHASE_DONE;
    event->name = "exit";
    if (stream->broken.code) {
        event->data = broken_json(stream);
    } else {
        event->data = json_object();
        exec_result_add_exit(event->data, &stream->ended);
    }
    json_object_set_new(event->data, "type", json_string("exit"));
    return event->data ? 1 : 0;
}

/* --- what comes from the agent --- */

static void take_output(struct exec_stream *stream, int index, struct bytes_view bytes)
{
    if (exec_lines_add(&stream->lines[index], bytes)) {
        error_set(&stream->broken, ERR_INTERNAL, 0, "no memory for a command's output");
        stream->phase = PHASE_ENDED;
    }
    stream->changed_ms = clock_monotonic_ms();
}

static void take_event(struct exec_stream *stream, const struct agent_event *event)
{
    switch (event->type) {
    case AGENT_EVENT_STARTED:
        stream->pid = event->pid;
        break;
    case AGENT_EVENT_STDOUT:
        take_output(stream, OUT, event->bytes);
        break;
    case AGENT_EVENT_STDERR:
        take_output(stream, ERRORS, event->bytes);
        break;
    case AGENT_EVENT_EXIT:
        stream->ended = event->exit;
        stream->phase = PHASE_ENDED;
        break;
    }
}

static bool next_piece(struct exec_stream *stream, struct sse_event *event, int *ret_result)
{
    for (int i = 0; i < STREAM_COUNT; i++) {
        struct bytes_view piece;
        if (exec_lines_next(&stream->lines[i], &piece)) {
            *ret_result = piece_event(i, &piece, event);
            return true;
        }
    }
    return false;
}

static bool next_partial(struct exec_stream *stream, bool final, struct sse_event *event,
                         int *ret_result)
{
    for (int i = 0; i < STREAM_COUNT; i++) {
        struct bytes_view piece;
        if (exec_lines_flush(&stream->lines[i], final, &piece)) {
            *ret_result = piece_event(i, &piece, event);
            return true;
        }
    }
    return false;
}

static bool has_partial(const struct exec_stream *stream)
{
    return exec_lines_partial(&stream->lines[OUT]) || exec_lines_partial(&stream->lines[ERRORS]);
}

/* Waits for the agent. 1: something came, 0: time passed, -1: the client went. */
static int wait_for_agent(struct exec_stream *stream, bool partial)
{
    int64_t wait_ms = output_wait_ms(partial, stream->changed_ms);
    struct agent_event event;
    struct error err = {0};
    int got = exec_session_next(&stream->session, wait_ms, &event, &err);
    if (got > 0) {
        take_event(stream, &event);
    } else if (got < 0 && err.code == ERR_CANCELLED) {
        return -1;
    } else if (got < 0) {
        stream->broken = err;
        stream->phase = PHASE_ENDED;
    }
    return got != 0;
}

/* sse: 1 an event, 2 nothing yet, 0 the end. */
static int stream_next(void *context, struct sse_event *event)
{
    struct exec_stream *stream = context;
    int result;
    if (stream->phase == PHASE_STARTED) {
        stream->phase = PHASE_RUNNING;
        return started_event(stream, event);
    }
    for (;;) {
        if (next_piece(stream, event, &result)) {
            return result;
        }
        if (stream->phase == PHASE_ENDED) {
            return next_partial(stream, true, event, &result) ? result : exit_event(stream, event);
        }
        if (stream->phase == PHASE_DONE) {
            return 0;
        }
        bool partial = has_partial(stream);
        int came = wait_for_agent(stream, partial);
        if (came < 0) {
            return 0;
        }
        if (came == 0) {
            return partial && next_partial(stream, false, event, &result) ? result : 2;
        }
    }
}

/* --- beginning --- */

static int make_input(struct exec_stream *stream, struct error *err)
{
    const struct exec_request *parsed = &stream->parsed;
    size_t max =
        parsed->input_length > INPUT_QUEUE_BYTES ? parsed->input_length : INPUT_QUEUE_BYTES;
    bool takes_bytes = parsed->input || parsed->open_stdin;
    struct exec_input *input = exec_input_new(max, takes_bytes, err);
    stream->session.input = input;
    if (!input || exec_input_push(input, parsed->input, parsed->input_length, -1, err)) {
        return -1;
    }
    return takes_bytes && !parsed->open_stdin ? exec_input_end(input, err) : 0;
}

/* Waits for the first event, so that a command that cannot start is an HTTP error. */
static int wait_for_start(struct exec_stream *stream, struct error *err)
{
    struct agent_event event;
    int got = exec_session_next(&stream->session, -1, &event, err);
    if (got < 0) {
        return -1;
    }
    assert(got == 1);
    take_event(stream, &event);
    return 0;
}

static int stream_start(struct exec_stream *stream, struct request *request, struct error *err)
{
    struct api *api = api_of(request);
    if (exec_request_parse(request_json(request), EXEC_FORM_EXEC, &stream->parsed, err)) {
        return -1;
    }
    if (stream->parsed.detached) {
        error_set_field(err, ERR_VALIDATION, "detached",
                        "a detached command has no stream of its own");
        return error_hint(err, "POST …/processes, then GET …/processes/{process_id}/stream.");
    }
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          stream->parsed.wait_ms, &stream->use, err)) {
        return -1;
    }
    stream->api = api;
    stream->session.api = api;
    stream->session.use = &stream->use;
    stream->session.client_fd = request_client_fd(request);
    snprintf(stream->request_id, sizeof(stream->request_id), "%s", request_id(request));
    if (make_input(stream, err) || exec_session_start(&stream->session, &stream->parsed, err) ||
        wait_for_start(stream, err)) {
        return -1;
    }
    if (exec_live_add(stream->use.id, stream->session.input, stream->session.told.exec_id, err)) {
        return -1;
    }
    memcpy(stream->exec_id, stream->session.told.exec_id, sizeof(stream->exec_id));
    return 0;
}

void exec_stream_handle(struct request *request)
{
    struct error err = {0};
    struct exec_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        error_set(&err, ERR_INTERNAL, 0, "no memory for a command stream");
        respond_error(request, &err);
        return;
    }
    stream->lines[OUT] = EXEC_LINES_INIT;
    stream->lines[ERRORS] = EXEC_LINES_INIT;
    if (stream_start(stream, request, &err)) {
        stream_free(stream);
        respond_error(request, &err);
        return;
    }
    FAULT_POINT("daemon.exec.streaming");
    respond_sse(request, stream_next, stream_free, stream);
}
