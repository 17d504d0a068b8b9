/* Frames in: fragments become messages, control frames are answered, violations end the connection. */
#include "websocket/connection.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* A pong is worth less than the thread that would wait for room to send it. */
enum { PONG_WAIT_MS = 2 * 1000, MESSAGE_KEPT_BYTES = 64 * 1024 };

/* --- bytes --- */

static size_t take_early(struct websocket *websocket, uint8_t *bytes, size_t length)
{
    size_t taken = length < websocket->early_length ? length : websocket->early_length;
    memcpy(bytes, websocket->early, taken);
    memmove(websocket->early, websocket->early + taken, websocket->early_length - taken);
    websocket->early_length -= taken;
    return taken;
}

/* Receives what is there. false: nothing now. */
static bool fill(struct websocket *websocket)
{
    ssize_t got;
    do {
        got = recv(websocket->fd, websocket->input, sizeof(websocket->input), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    websocket->peer_ended = got == 0 || (got < 0 && errno != EAGAIN);
    if (got > 0) {
        websocket->heard_ms = clock_monotonic_ms();
    }
    websocket->input_start = 0;
    websocket->input_end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

ssize_t websocket_recv_bytes(uint8_t *bytes, size_t length, int flags, void *context)
{
    (void)flags;
    struct websocket *websocket = context;
    if (websocket->early_length > 0) {
        return (ssize_t)take_early(websocket, bytes, length);
    }
    if (websocket->input_start == websocket->input_end &&
        (websocket->peer_ended || !fill(websocket))) {
        return -1;
    }
    size_t held = websocket->input_end - websocket->input_start;
    size_t taken = held < length ? held : length;
    memcpy(bytes, websocket->input + websocket->input_start, taken);
    websocket->input_start += taken;
    return (ssize_t)taken;
}

int64_t websocket_heard_ms(const struct websocket *websocket)
{
    return websocket->heard_ms;
}

/* --- frames --- */

/* What is wrong with a frame's head: a close code, or 0. */
static int judge(const struct websocket *websocket, const struct wslay_frame_iocb *frame)
{
    bool is_control = wslay_is_ctrl_frame(frame->opcode);
    bool continues = frame->opcode == WSLAY_CONTINUATION_FRAME;
    bool known = is_control ? frame->opcode <= WSLAY_PONG : frame->opcode <= WSLAY_BINARY_FRAME;
    if (!known || frame->rsv || !frame->mask == !websocket->is_client) {
        return WSLAY_CODE_PROTOCOL_ERROR;
    }
    if (is_control) {
        return frame->payload_length <= WEBSOCKET_CONTROL_MAX && frame->fin
                   ? 0
                   : WSLAY_CODE_PROTOCOL_ERROR;
    }
    if (continues != (websocket->message_opcode != 0)) {
        return WSLAY_CODE_PROTOCOL_ERROR;
    }
    return frame->payload_length > WEBSOCKET_MESSAGE_MAX - websocket->message.length
               ? WSLAY_CODE_MESSAGE_TOO_BIG
               : 0;
}

static int begin_frame(struct websocket *websocket, const struct wslay_frame_iocb *frame)
{
    int wrong = judge(websocket, frame);
    websocket->in_frame = true;
    websocket->frame = *frame;
    websocket->frame_left = frame->payload_length;
    websocket->control_length = 0;
    if (!wrong && !wslay_is_ctrl_frame(frame->opcode) && websocket->message_opcode == 0) {
        websocket->message_opcode = frame->opcode;
    }
    return wrong;
}

static int take_payload(struct websocket *websocket, const struct wslay_frame_iocb *part)
{
    assert(part->data_length <= websocket->frame_left);
    websocket->frame_left -= part->data_length;
    if (part->data_length == 0) {
        return 0;
    }
    if (!wslay_is_ctrl_frame(websocket->frame.opcode)) {
        return buffer_append(&websocket->message, part->data, part->data_length)
                   ? WSLAY_CODE_INTERNAL_SERVER_ERROR
                   : 0;
    }
    memcpy(websocket->control + websocket->control_length, part->data, part->data_length);
    websocket->control_length += part->data_length;
    return 0;
}

/* --- whole frames --- */

static void tell_close(struct websocket *websocket, int code, struct websocket_message *ret_message)
{
    bool has_reason = code != WSLAY_CODE_ABNORMAL_CLOSURE && websocket->control_length > 2;
    websocket->ended = true;
    if (code == WSLAY_CODE_ABNORMAL_CLOSURE) {
        websocket->broken = true;
    }
    *ret_message = (struct websocket_message){
        .type = WEBSOCKET_CLOSE,
        .bytes = has_reason ? (const char *)websocket->control + 2 : "",
        .length = has_reason ? websocket->control_length - 2 : 0,
        .close_code = code,
    };
}

/* Ends the connection for the peer's fault, or ours. */
static int violated(struct websocket *websocket, int code, struct websocket_message *ret_message)
{
    websocket_close(websocket, code, NULL);
    websocket->control_length = 0;
    tell_close(websocket, code, ret_message);
    return 1;
}

static bool may_be_received(int code)
{
    bool reserved = code == 1004 || code == WSLAY_CODE_NO_STATUS_RCVD ||
                    code == WSLAY_CODE_ABNORMAL_CLOSURE || (code >= 1015 && code < 3000);
    return code >= 1000 && code < 5000 && !reserved;
}

static int take_close(struct websocket *websocket, struct websocket_message *ret_message)
{
    const unsigned char *payload = websocket->control;
    int code = WSLAY_CODE_NO_STATUS_RCVD;
    if (websocket->control_length == 0) {
        websocket_close(websocket, WSLAY_CODE_NORMAL_CLOSURE, NULL);
    } else {
        code = websocket->control_length >= 2 ? payload[0] << 8 | payload[1] : 0;
        if (!may_be_received(code)) {
            return violated(websocket, WSLAY_CODE_PROTOCOL_ERROR, ret_message);
        }
        if (!utf8_valid(payload + 2, websocket->control_length - 2)) {
            return violated(websocket, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, ret_message);
        }
        websocket_close(websocket, code, NULL);
    }
    tell_close(websocket, code, ret_message);
    return 1;
}

static int take_control(struct websocket *websocket, struct websocket_message *ret_message)
{
    if (websocket->frame.opcode == WSLAY_CONNECTION_CLOSE) {
        return take_close(websocket, ret_message);
    }
    if (websocket->frame.opcode == WSLAY_PING) {
        websocket_send_frame(websocket, WSLAY_PONG, websocket->control, websocket->control_length,
                             PONG_WAIT_MS);
    }
    return 0;
}

static int take_message(struct websocket *websocket, struct websocket_message *ret_message)
{
    bool is_text = websocket->message_opcode == WSLAY_TEXT_FRAME;
    size_t length = websocket->message.length;
    if (is_text && length > 0 && !utf8_valid(websocket->message.data, length)) {
        return violated(websocket, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, ret_message);
    }
    *ret_message = (struct websocket_message){
        .type = is_text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY,
        .bytes = length > 0 ? websocket->message.data : "",
        .length = length,
    };
    websocket->message_opcode = 0;
    return 1;
}

/* 1 a message, 0 go on. */
static int end_frame(struct websocket *websocket, struct websocket_message *ret_message)
{
    websocket->in_frame = false;
    if (wslay_is_ctrl_frame(websocket->frame.opcode)) {
        return take_control(websocket, ret_message);
    }
    return websocket->frame.fin ? take_message(websocket, ret_message) : 0;
}

/* --- all of it --- */

/* Takes the next part of a frame. 1 a message, 0 go on, -1 nothing more is there. */
static int take_part(struct websocket *websocket, struct websocket_message *ret_message)
{
    struct wslay_frame_iocb part = {0};
    ssize_t got = wslay_frame_recv(websocket->in, &part);
    if (got == WSLAY_ERR_WANT_READ) {
        return -1;
    }
    int wrong = got < 0 ? WSLAY_CODE_PROTOCOL_ERROR : 0;
    if (!wrong && !websocket->in_frame) {
        wrong = begin_frame(websocket, &part);
    }
    if (!wrong) {
        wrong = take_payload(websocket, &part);
    }
    if (wrong) {
        return violated(websocket, wrong, ret_message);
    }
    return websocket->frame_left == 0 ? end_frame(websocket, ret_message) : 0;
}

static int wait_readable(const struct websocket *websocket, int64_t until_ms)
{
    int64_t left_ms = until_ms < 0 ? -1 : until_ms - clock_monotonic_ms();
    if (until_ms >= 0 && left_ms <= 0) {
        return 0;
    }
    struct pollfd socket = {.fd = websocket->fd, .events = POLLIN};
    int ready = poll(&socket, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
    return ready < 0 && errno == EINTR ? 1 : ready;
}

/* The last one was taken. A large one's memory is not kept for small ones. */
static void forget_message(struct websocket *websocket)
{
    if (websocket->message.capacity > MESSAGE_KEPT_BYTES) {
        buffer_free(&websocket->message);
    }
    websocket->message.length = 0;
}

int websocket_receive(struct websocket *websocket, int64_t wait_ms,
                      struct websocket_message *ret_message)
{
    if (websocket->ended) {
        return -1;
    }
    if (websocket->message_opcode == 0) {
        forget_message(websocket);
    }
    int64_t until_ms = wait_ms < 0 ? -1 : clock_monotonic_ms() + wait_ms;
    for (;;) {
        int took = take_part(websocket, ret_message);
        if (took == 1) {
            return 1;
        }
        if (took == 0) {
            continue;
        }
        if (websocket->peer_ended || websocket->broken) {
            tell_close(websocket, WSLAY_CODE_ABNORMAL_CLOSURE, ret_message);
            return 1;
        }
        int ready = wait_readable(websocket, until_ms);
        if (ready <= 0) {
            return ready;
        }
    }
}
