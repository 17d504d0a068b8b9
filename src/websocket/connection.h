/* A WebSocket connection's parts, shared by the files of websocket/. */
#ifndef ATOLL_WEBSOCKET_CONNECTION_H
#define ATOLL_WEBSOCKET_CONNECTION_H

#include "base/buffer.h"
#include "websocket/websocket.h"

#include <pthread.h>
#include <stdatomic.h>
#include <wslay/wslay.h>

enum {
    WEBSOCKET_INPUT_BYTES = 16 * 1024,
    WEBSOCKET_CONTROL_MAX = 125, /* payload of a control frame (RFC 6455, 5.5) */
};

struct websocket {
    /* The receiving thread's: what came and was not taken, the frame that is being taken, and the
     * message that its fragments make. */
    struct wslay_frame_context *in;
    unsigned char *early; /* our own copy; taken first */
    size_t early_length;
    size_t input_start, input_end;
    int64_t heard_ms;
    struct wslay_frame_iocb frame;
    uint64_t frame_left;
    size_t control_length;
    struct buffer message;

    pthread_mutex_t mutex; /* what is sent: out and close_sent */
    struct wslay_frame_context *out;

    int fd;
    bool is_client;
    bool close_sent;
    _Atomic bool broken;

    /* The receiving thread's, again. */
    bool peer_ended;
    bool in_frame;
    bool ended;             /* CLOSE was told */
    uint8_t message_opcode; /* 0: no message is begun */
    unsigned char control[WEBSOCKET_CONTROL_MAX];
    unsigned char input[WEBSOCKET_INPUT_BYTES];
};

/* Sends one whole frame unless a close frame went before it. wait_ms: longest time without progress. */
int websocket_send_frame(struct websocket *websocket, uint8_t opcode, const void *bytes,
                         size_t length, int64_t wait_ms);

/* wslay's view of the socket. */
ssize_t websocket_recv_bytes(uint8_t *bytes, size_t length, int flags, void *context);
ssize_t websocket_send_bytes(const uint8_t *bytes, size_t length, int flags, void *context);

#endif
