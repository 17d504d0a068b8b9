/* Frames out: one at a time, whole, whoever sends them. */
#include "websocket/connection.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* A peer that does not read for so long is given up; a dying connection's last frame gets less. */
enum { SEND_WAIT_MS = 30 * 1000, CLOSE_WAIT_MS = 2 * 1000 };

ssize_t websocket_send_bytes(const uint8_t *bytes, size_t length, int flags, void *context)
{
    const struct websocket *websocket = context;
    int more = flags & WSLAY_MSG_MORE ? MSG_MORE : 0;
    ssize_t sent;
    do {
        sent = send(websocket->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT | more);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

static int wait_writable(const struct websocket *websocket, int64_t wait_ms)
{
    int64_t end_ms = clock_monotonic_ms() + wait_ms;
    for (;;) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        struct pollfd socket = {.fd = websocket->fd, .events = POLLOUT};
        int ready = left_ms > 0 ? poll(&socket, 1, (int)left_ms) : 0;
        if (ready > 0) {
            return socket.revents & (POLLERR | POLLHUP) ? -1 : 0;
        }
        if (ready == 0 || errno != EINTR) {
            return -1;
        }
    }
}

/* Under the mutex. */
static int send_whole(struct websocket *websocket, struct wslay_frame_iocb *frame, int64_t wait_ms)
{
    for (;;) {
        errno = 0;
        ssize_t sent = wslay_frame_send(websocket->out, frame);
        if (sent >= 0) {
            frame->data += sent;
            frame->data_length -= (size_t)sent;
            if (frame->data_length == 0) {
                return 0;
            }
        } else if (sent != WSLAY_ERR_WANT_WRITE || (errno != EAGAIN && errno != 0) ||
                   wait_writable(websocket, wait_ms)) {
            return -1;
        }
    }
}

int websocket_send_frame(struct websocket *websocket, uint8_t opcode, const void *bytes,
                         size_t length, int64_t wait_ms)
{
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .opcode = opcode,
                                     .mask = websocket->is_client,
                                     .payload_length = length,
                                     .data = bytes,
                                     .data_length = length};
    int result = -1;
    pthread_mutex_lock(&websocket->mutex);
    if (!websocket->broken && !websocket->close_sent) {
        websocket->close_sent = opcode == WSLAY_CONNECTION_CLOSE;
        result = send_whole(websocket, &frame, wait_ms);
        websocket->broken = result != 0;
    }
    pthread_mutex_unlock(&websocket->mutex);
    return result;
}

int websocket_send(struct websocket *websocket, enum websocket_message_type type, const void *bytes,
                   size_t length)
{
    uint8_t opcode = type == WEBSOCKET_TEXT ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME;
    return websocket_send_frame(websocket, opcode, bytes, length, SEND_WAIT_MS);
}

int websocket_ping(struct websocket *websocket)
{
    return websocket_send_frame(websocket, WSLAY_PING, "", 0, SEND_WAIT_MS);
}

int websocket_close(struct websocket *websocket, int code, const char *reason)
{
    unsigned char payload[WEBSOCKET_CONTROL_MAX];
    payload[0] = (unsigned char)(code >> 8);
    payload[1] = (unsigned char)code;
    size_t length = reason ? strnlen(reason, sizeof(payload)) : 0;
    if (length > sizeof(payload) - 2) {
        length = sizeof(payload) - 2;
        while (length > 0 && ((unsigned char)reason[length] & 0xC0) == 0x80) {
            length--; /* not inside of a character */
        }
    }
    if (length > 0) {
        memcpy(payload + 2, reason, length);
    }
    return websocket_send_frame(websocket, WSLAY_CONNECTION_CLOSE, payload, length + 2,
                                CLOSE_WAIT_MS);
}
