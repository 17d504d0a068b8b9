#include "agentclient/call.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>

size_t call_list_size(const char *const *texts)
{
    size_t size = 0;
    for (; *texts; texts++) {
        size += strlen(*texts) + 6;
    }
    return size;
}

void call_put_list(struct fields_writer *head, enum agent_tag tag, const char *const *texts)
{
    for (; *texts; texts++) {
        fields_put_string(head, (uint16_t)tag, *texts);
    }
}

static int send_head(struct agent_call *call, const struct agent_exec *request, struct error *err)
{
    size_t capacity = CALL_SMALL_HEAD_BYTES + call_list_size(request->arguments) +
                      call_list_size(request->environment);
    if (capacity > FRAME_PAYLOAD_MAX) {
        return error_set(err, ERR_TOO_LARGE, 0, "arguments and environment exceed %d bytes",
                         FRAME_PAYLOAD_MAX - CALL_SMALL_HEAD_BYTES);
    }
    auto_free unsigned char *data = malloc(capacity);
    if (!data) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "start a command");
    }
    struct fields_writer head;
    fields_start(&head, data, capacity);
    fields_put_int(&head, AGENT_OPERATION, AGENT_OP_EXEC);
    call_put_list(&head, AGENT_ARGUMENT, request->arguments);
    call_put_list(&head, AGENT_ENV, request->environment);
    if (request->cwd) {
        fields_put_string(&head, AGENT_CWD, request->cwd);
    }
    if (request->user) {
        fields_put_string(&head, AGENT_USER, request->user);
    }
    if (request->timeout_ms > 0) {
        fields_put_int(&head, AGENT_TIMEOUT_MS,
                       request->timeout_ms < INT32_MAX ? request->timeout_ms : INT32_MAX);
    }
    if (request->open_stdin) {
        fields_put_int(&head, AGENT_OPEN_STDIN, 1);
    }
    return call_send_head(call, &head, err);
}

struct agent_call *agent_exec_start(const char *socket_path, const struct agent_exec *request,
                                    struct error *err)
{
    struct agent_call *call = call_open(socket_path, err);
    if (call) {
        call->subject = CALL_COMMAND;
        if (send_head(call, request, err) < 0) {
            call = agent_call_free(call);
        }
    }
    return call;
}

int64_t call_get(const struct call_frame *frame, enum agent_tag tag, int64_t fallback)
{
    return fields_get_int(frame->payload, frame->length, (uint16_t)tag, fallback);
}

int call_parse_exit(struct agent_call *call, const struct call_frame *frame,
                    struct agent_exit *ret_exit, struct error *err)
{
    int64_t code = call_get(frame, AGENT_EXIT_CODE, -1);
    int64_t signal_number = call_get(frame, AGENT_EXIT_SIGNAL, 0);
    int64_t timed_out = call_get(frame, AGENT_TIMED_OUT, 0);
    int64_t oom_killed = call_get(frame, AGENT_OOM_KILLED, 0);
    int64_t duration_us = call_get(frame, AGENT_DURATION_US, 0);
    if (code < 0 || code > 255 || signal_number < 0 || signal_number > 127 || duration_us < 0 ||
        (timed_out | oom_killed) >> 1 != 0) {
        return call_violation(call, "an impossible exit", err);
    }
    int64_t disk_free_bytes = call_get(frame, AGENT_DISK_FREE, -1);
    *ret_exit = (struct agent_exit){
        .exit_code = (int)code,
        .signal = (int)signal_number,
        .timed_out = timed_out == 1,
        .oom_killed = oom_killed == 1,
        .disk_free_bytes = disk_free_bytes < 0 ? -1 : disk_free_bytes,
        .duration_us = duration_us,
    };
    return 0;
}

static int started_event(struct agent_call *call, const struct call_frame *frame,
                         struct agent_event *ret_event, struct error *err)
{
    int64_t pid = call_get(frame, AGENT_PID, -1);
    if (call->started || pid <= 0 || pid > INT32_MAX) {
        return call_violation(call, "an impossible start", err);
    }
    call->started = true;
    *ret_event = (struct agent_event){.type = AGENT_EVENT_STARTED, .pid = pid};
    return 1;
}

static int exit_event(struct agent_call *call, const struct call_frame *frame,
                      struct agent_event *ret_event, struct error *err)
{
    if (call->start != call->end) {
        return call_violation(call, "more than one final frame", err);
    }
    *ret_event = (struct agent_event){.type = AGENT_EVENT_EXIT};
    if (call_parse_exit(call, frame, &ret_event->exit, err) < 0) {
        return -1;
    }
    call->state = CALL_ENDED;
    return 1;
}

static int to_event(struct agent_call *call, const struct call_frame *frame,
                    struct agent_event *ret_event, struct error *err)
{
    if (frame->type == AGENT_FRAME_STARTED) {
        return started_event(call, frame, ret_event, err);
    }
    if (!call->started) {
        return call_violation(call, "output before the start", err);
    }
    if (frame->type == AGENT_FRAME_EXIT) {
        return exit_event(call, frame, ret_event, err);
    }
    if (frame->type != AGENT_FRAME_STDOUT && frame->type != AGENT_FRAME_STDERR) {
        return call_violation(call, "a frame that does not belong to a command", err);
    }
    *ret_event = (struct agent_event){
        .type = frame->type == AGENT_FRAME_STDOUT ? AGENT_EVENT_STDOUT : AGENT_EVENT_STDERR,
        .bytes = {(const char *)frame->payload, frame->length},
    };
    return 1;
}

int agent_exec_next(struct agent_call *call, int cancel_fd, int64_t wait_ms,
                    struct agent_event *ret_event, struct error *err)
{
    struct call_wait wait = {
        .deadline_ms = wait_ms < 0 ? INT64_MAX : clock_monotonic_ms() + wait_ms,
        .cancel_fd = cancel_fd,
    };
    struct call_frame frame;
    int result = call_next(call, &wait, &frame, err);
    return result <= 0 ? result : to_event(call, &frame, ret_event, err);
}

int agent_exec_stdin(struct agent_call *call, const void *bytes, size_t length, struct error *err)
{
    const char *from = bytes;
    do {
        size_t part = length < AGENT_STDIN_PART_BYTES ? length : AGENT_STDIN_PART_BYTES;
        if (call_send(call, AGENT_FRAME_STDIN, from, part, -1) < 0) {
            /* EPIPE: the command has ended. Its output and exit are waiting to be read. */
            return errno == EPIPE ? 0 : error_set(err, ERR_AGENT_UNAVAILABLE, errno, "send input");
        }
        from += part;
        length -= part;
    } while (length > 0);
    return 0;
}

int agent_exec_signal(struct agent_call *call, int signal_number, struct error *err)
{
    unsigned char data[32];
    struct fields_writer fields;
    fields_start(&fields, data, sizeof(data));
    fields_put_int(&fields, AGENT_SIGNAL, signal_number);
    if (call_send(call, AGENT_FRAME_SIGNAL, data, fields.length, AGENT_SILENCE_MAX_MS) < 0 &&
        errno != EPIPE) {
        return error_set(err, ERR_AGENT_UNAVAILABLE, errno, "send a signal");
    }
    return 0;
}
