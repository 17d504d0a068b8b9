#include "api/processes.h"

#include "api/exec_result.h"
#include "api/job_json.h"
#include "api/job_use.h"
#include "api/output_event.h"
#include "api/output_lines.h"
#include "api/utf8_json.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_RUNNING, PHASE_ENDED, PHASE_DONE };

/* A client that follows a job. Not a use of the sandbox: who only looks does not keep it awake. */
struct process_stream {
    struct api *api;
    struct principal principal;
    char sandbox_id[ID_SIZE];
    char request_id[64];
    int client_fd, ending_fd;
    struct agent_call *call;
    struct output_lines output;
    enum phase phase;
    int64_t changed_ms;           /* monotonic: when output last came */
    int64_t output_time_ms;       /* realtime: when the agent read it */
    int64_t lost_bytes;           /* before what came last; not told yet */
    struct session_event pending; /* with lost_bytes: what comes behind the loss */
    struct agent_exit ended;
    struct error broken; /* code 0: the job ended by itself */
    char place[OUTPUT_PLACE_SIZE];
};

static void stream_free(void *context)
{
    struct process_stream *stream = context;
    agent_call_free(stream->call);
    output_lines_free(&stream->output);
    free(stream);
}

/* --- events --- */

static int line_event(struct process_stream *stream, int index, const struct bytes_view *piece,
                      struct sse_event *event)
{
    event->name = output_stream_name(index);
    event->id = output_lines_place(&stream->output, stream->place);
    event->data = output_event_json(index, piece);
    if (!event->data) {
        return 0;
    }
    json_object_set_new(event->data, "timestamp", job_time(stream->output_time_ms));
    return 1;
}

static int lost_event(struct process_stream *stream, struct sse_event *event)
{
    event->name = "lost";
    event->data = json_pack("{s:s,s:I}", "type", "lost", "bytes", (json_int_t)stream->lost_bytes);
    stream->lost_bytes = 0;
    return event->data ? 1 : 0;
}

static json_t *broken_json(const struct process_stream *stream)
{
    const struct error *err = &stream->broken;
    return json_pack("{s:i,s:b,s:{s:s,s:o,s:b,s:s}}", "exit_code", EXEC_CODE_BROKEN, "timed_out", 0,
                     "error", "code", error_api_code(err->code), "message", job_text(err->message),
                     "retryable", error_retryable(err->code), "request_id", stream->request_id);
}

static int exit_event(struct process_stream *stream, struct sse_event *event)
{
    stream->phase = PHASE_DONE;
    event->name = "exit";
    if (stream->broken.code) {
        event->data = broken_json(stream);
    } else {
        event->id = output_lines_place(&stream->output, stream->place);
        event->data = json_object();
        exec_result_add_exit(event->data, &stream->ended);
    }
    json_object_set_new(event->data, "type", json_string("exit"));
    return event->data ? 1 : 0;
}

/* --- what comes from the agent --- */

static void take_output(struct process_stream *stream, const struct session_event *event)
{
    int index = event->stream == 2 ? 1 : 0;
    if (output_lines_add(&stream->output, index, event->bytes, event->position)) {
        error_set(&stream->broken, ERR_INTERNAL, 0, "no memory for a process's output");
        stream->phase = PHASE_ENDED;
    }
    stream->changed_ms = clock_monotonic_ms();
    stream->output_time_ms = event->time_ms;
}

static void take_event(struct process_stream *stream, const struct session_event *event)
{
    if (event->type == SESSION_EVENT_EXIT) {
        stream->ended = event->exit;
        stream->phase = PHASE_ENDED;
    } else if (event->type == SESSION_EVENT_OUTPUT && event->lost_bytes > 0) {
        stream->lost_bytes = event->lost_bytes;
        stream->pending = *event;
    } else if (event->type == SESSION_EVENT_OUTPUT) {
        take_output(stream, event);
    }
}

/* Why the agent is out of reach: what became of the sandbox. */
static void explain(struct process_stream *stream)
{
    struct sandboxes *sandboxes = stream->api->sandboxes;
    struct sandbox_view view;
    struct sandbox_use use;
    struct error why = {0};
    if (stream->broken.code != ERR_AGENT_UNAVAILABLE) {
        return;
    }
    bool found = sandbox_peek(sandboxes, stream->sandbox_id, NULL, &view);
    if (!found || view.state == SANDBOX_DESTROYING) {
        error_set(&stream->broken, ERR_AGENT_UNAVAILABLE, 0, "the sandbox was destroyed meanwhile");
    } else if (view.state != SANDBOX_RUNNING) {
        error_set(&stream->broken, ERR_AGENT_UNAVAILABLE, 0,
                  "the sandbox was stopped meanwhile (%s)", sandbox_state_name(view.state));
    } else if (sandbox_use_begin(sandboxes, &stream->principal, stream->sandbox_id, 0, &use,
                                 &why) == 0) {
        sandbox_explain(sandboxes, &use, &stream->broken);
        sandbox_use_end(sandboxes, &use);
    } else {
        error_set(&stream->broken, ERR_AGENT_UNAVAILABLE, 0, "the sandbox ended: %s", why.message);
    }
}

/* The agent's next event, unless the client goes (ERR_CANCELLED) or the server ends. As session_next. */
static int next_event(struct process_stream *stream, int64_t wait_ms,
                      struct session_event *ret_event, struct error *err)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    int64_t left_ms = 0; /* output that never ceases does not keep the server from ending */
    for (;;) {
        struct pollfd polled[] = {
            {.fd = stream->ending_fd, .events = POLLIN},
            {.fd = left_ms > 0 ? agent_call_fd(stream->call) : -1, .events = POLLIN},
            {.fd = left_ms > 0 ? stream->client_fd : -1, .events = POLLRDHUP},
        };
        if (poll(polled, 3, (int)left_ms) > 0 && polled[0].revents) {
            return error_set(err, ERR_SHUTTING_DOWN, 0, "the service is stopping");
        }
        int got = session_next(stream->call, stream->client_fd, 0, ret_event, err);
        left_ms = until_ms - clock_monotonic_ms();
        if (got != 0 || left_ms <= 0) {
            return got;
        }
    }
}

/* Waits for the agent. 1: something came, 0: time passed, -1: the client went. */
static int wait_for_agent(struct process_stream *stream, bool partial)
{
    int64_t wait_ms = output_wait_ms(partial, stream->changed_ms);
    struct session_event event;
    struct error err = {0};
    int got = next_event(stream, wait_ms, &event, &err);
    if (got > 0) {
        take_event(stream, &event);
    } else if (got < 0 && err.code == ERR_CANCELLED) {
        return -1;
    } else if (got < 0) {
        stream->broken = err;
        stream->phase = PHASE_ENDED;
        explain(stream);
    }
    return got != 0;
}

static bool next_line(struct process_stream *stream, enum output_take take, struct sse_event *event,
                      int *ret_result)
{
    int index;
    struct bytes_view piece;
    if (!output_lines_next(&stream->output, take, &index, &piece)) {
        return false;
    }
    *ret_result = line_event(stream, index, &piece, event);
    return true;
}

/* Everything before a loss goes out, then the loss is told, then comes what lies behind it. */
static int tell_loss(struct process_stream *stream, struct sse_event *event)
{
    int result;
    if (next_line(stream, OUTPUT_FINAL, event, &result)) {
        return result;
    }
    output_lines_lose(&stream->output);
    result = lost_event(stream, event);
    take_output(stream, &stream->pending);
    return result;
}

/* sse: 1 an event, 2 nothing yet, 0 the end. */
static int stream_next(void *context, struct sse_event *event)
{
    struct process_stream *stream = context;
    int result;
    for (;;) {
        if (stream->lost_bytes > 0) {
            return tell_loss(stream, event);
        }
        if (next_line(stream, OUTPUT_WHOLE, event, &result)) {
            return result;
        }
        if (stream->phase == PHASE_ENDED) {
            return next_line(stream, OUTPUT_FINAL, event, &result) ? result
                                                                   : exit_event(stream, event);
        }
        if (stream->phase == PHASE_DONE) {
            return 0;
        }
        bool partial = output_lines_partial(&stream->output);
        int came = wait_for_agent(stream, partial);
        if (came < 0) {
            return 0;
        }
        if (came == 0) {
            return partial && next_line(stream, OUTPUT_PARTIAL, event, &result) ? result : 2;
        }
    }
}

/* --- beginning --- */

/* A browser sends the header when it comes back; the query is for those who cannot send one. */
static int take_place(const struct request *request, struct output_place *ret_place,
                      struct error *err)
{
    const char *text = request_header(request, "Last-Event-ID");
    if (!text || !*text) {
        text = request_query(request, "last_event_id");
    }
    return output_place_parse(text ? text : "", ret_place, err);
}

static int stream_start(struct process_stream *stream, struct request *request, struct error *err)
{
    struct output_place place;
    struct sandbox_use use;
    struct session session;
    if (take_place(request, &place, err) || job_use_begin(request, &use, &session, err)) {
        return -1;
    }
    stream->api = api_of(request);
    stream->principal = *request_principal(request);
    stream->client_fd = request_client_fd(request);
    stream->ending_fd = request_ending_fd(request);
    snprintf(stream->sandbox_id, sizeof(stream->sandbox_id), "%s", use.id);
    snprintf(stream->request_id, sizeof(stream->request_id), "%s", request_id(request));
    output_lines_init(&stream->output, &place);
    stream->call = session_read(use.agent_socket, session.id, place.position, true, 0, 0, err);
    int result = stream->call ? 0 : job_failed(stream->api, &use, err);
    sandbox_use_end(stream->api->sandboxes, &use);
    return result;
}

void process_stream_handle(struct request *request)
{
    struct error err = {0};
    struct process_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        error_set(&err, ERR_INTERNAL, 0, "no memory for a process's stream");
        respond_error(request, &err);
        return;
    }
    if (stream_start(stream, request, &err)) {
        stream_free(stream);
        respond_error(request, &err);
        return;
    }
    FAULT_POINT("daemon.job.streaming");
    respond_sse(request, stream_next, stream_free, stream);
}
