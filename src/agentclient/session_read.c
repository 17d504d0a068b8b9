#include "agentclient/sessions.h"

#include "agentclient/call.h"
#include "base/clock.h"

#include <errno.h>

struct agent_call *session_read(const char *socket_path, const char *id, int64_t from, bool follow,
                                int rows, int cols, struct error *err)
{
    unsigned char data[CALL_SMALL_HEAD_BYTES];
    struct fields_writer head;
    fields_start(&head, data, sizeof(data));
    fields_put_int(&head, AGENT_OPERATION, AGENT_OP_SESSION_READ);
    fields_put_string(&head, AGENT_SESSION_ID, id);
    if (from >= 0) {
        fields_put_int(&head, AGENT_POSITION, from);
    }
    if (rows > 0 && cols > 0) {
        fields_put_int(&head, AGENT_ROWS, rows);
        fields_put_int(&head, AGENT_COLS, cols);
    }
    fields_put_int(&head, AGENT_FOLLOW, follow);
    struct agent_call *call = call_open(socket_path, err);
    if (call) {
        call->subject = CALL_SESSION;
        call->follow = follow;
        if (call_send_head(call, &head, err) < 0) {
            call = agent_call_free(call);
        }
    }
    return call;
}

static int output_event(struct agent_call *call, const struct call_frame *frame,
                        struct session_event *ret_event, struct error *err)
{
    struct bytes_view bytes;
    int64_t stream = call_get(frame, AGENT_STREAM, 0);
    int64_t position = call_get(frame, AGENT_POSITION, -1);
    int64_t time_ms = call_get(frame, AGENT_TIME_MS, -1);
    int64_t lost = call_get(frame, AGENT_LOST, 0);
    if (!fields_find(frame->payload, frame->length, AGENT_BYTES, &bytes) || stream < 1 ||
        stream > 2 || time_ms < 0 || lost < 0 || lost > position ||
        position - lost < (int64_t)bytes.length || position < call->position) {
        return call_violation(call, "impossible output", err);
    }
    call->position = position;
    *ret_event = (struct session_event){.type = SESSION_EVENT_OUTPUT,
                                        .stream = (int)stream,
                                        .bytes = bytes,
                                        .position = position,
                                        .time_ms = time_ms,
                                        .lost_bytes = lost};
    return 1;
}

/* EXIT and DONE. */
static int final_event(struct agent_call *call, const struct call_frame *frame,
                       struct session_event *ret_event, struct error *err)
{
    int64_t position = call_get(frame, AGENT_POSITION, -1);
    if (call->start != call->end || position < call->position) {
        return call_violation(call, "an impossible end", err);
    }
    *ret_event = (struct session_event){
        .type = call->follow ? SESSION_EVENT_EXIT : SESSION_EVENT_END, .position = position};
    if (call->follow && call_parse_exit(call, frame, &ret_event->exit, err) < 0) {
        return -1;
    }
    call->state = CALL_ENDED;
    return 1;
}

static int to_event(struct agent_call *call, const struct call_frame *frame,
                    struct session_event *ret_event, struct error *err)
{
    if (frame->type == AGENT_FRAME_OUTPUT) {
        return output_event(call, frame, ret_event, err);
    }
    if (frame->type == AGENT_FRAME_CAUGHT_UP && call->follow && !call->caught_up) {
        call->caught_up = true;
        *ret_event =
            (struct session_event){.type = SESSION_EVENT_CAUGHT_UP, .position = call->position};
        return 1;
    }
    if (frame->type == (call->follow ? AGENT_FRAME_EXIT : AGENT_FRAME_DONE)) {
        return final_event(call, frame, ret_event, err);
    }
    return call_violation(call, "a frame that does not belong to a session", err);
}

int session_next(struct agent_call *call, int cancel_fd, int64_t wait_ms,
                 struct session_event *ret_event, struct error *err)
{
    struct call_wait wait = {
        .deadline_ms = wait_ms < 0 ? INT64_MAX : clock_monotonic_ms() + wait_ms,
        .cancel_fd = cancel_fd,
    };
    struct call_frame frame;
    int result = call_next(call, &wait, &frame, err);
    return result <= 0 ? result : to_event(call, &frame, ret_event, err);
}

/* EPIPE: the session has ended, which its EXIT tells. */
static int check_sent(int result, const char *what, struct error *err)
{
    return result == 0 || errno == EPIPE ? 0
                                         : error_set(err, ERR_AGENT_UNAVAILABLE, errno, "%s", what);
}

int session_send_input(struct agent_call *call, const void *bytes, size_t length, struct error *err)
{
    const char *from = bytes;
    int result;
    do {
        size_t part = length < AGENT_STDIN_PART_BYTES ? length : AGENT_STDIN_PART_BYTES;
        result = call_send(call, AGENT_FRAME_STDIN, from, part, -1);
        from += part;
        length -= part;
    } while (result == 0 && length > 0);
    return check_sent(result, "send input", err);
}

int session_send_resize(struct agent_call *call, int rows, int cols, struct error *err)
{
    unsigned char data[64];
    struct fields_writer fields;
    fields_start(&fields, data, sizeof(data));
    fields_put_int(&fields, AGENT_ROWS, rows);
    fields_put_int(&fields, AGENT_COLS, cols);
    return check_sent(
        call_send(call, AGENT_FRAME_RESIZE, data, fields.length, AGENT_SILENCE_MAX_MS),
        "resize the terminal", err);
}
