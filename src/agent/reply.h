/* Frames that a file operation sends and receives, blocking, on its connection. One thread a reply. */
#ifndef ATOLL_AGENT_REPLY_H
#define ATOLL_AGENT_REPLY_H

#include "wire/agent_protocol.h"
#include "wire/fields.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A frame of fields under construction in the caller's memory: header first, then the fields. */
struct frame_writer {
    unsigned char *data;
    struct fields_writer fields;
};

enum { ERROR_FRAME_MAX = 512 };

void frame_start(struct frame_writer *writer, unsigned char *data, size_t capacity);

/* Completes the header. Returns the frame's length; overflow was the caller's to prevent. */
size_t frame_finish(struct frame_writer *writer, enum agent_frame type);

/* An ERROR frame into data[ERROR_FRAME_MAX]; message is cut to fit, stage may be NULL. */
size_t frame_error(unsigned char *data, int errnum, const char *message, const char *stage);

/* Sends everything. 0, or -1 when the peer is gone. */
int reply_send(int fd, const void *bytes, size_t length);

int reply_error(int fd, int errnum, const char *message);

/* Sends a DONE frame without fields. */
int reply_done(int fd);

/* Receives exactly length bytes. 0, or -1 when the peer closed or failed. */
int reply_receive(int fd, void *bytes, size_t length);

/* After an ERROR while the peer still sends: see drain_connection. Blocks until it closes. */
void reply_await_close(int fd);

/* Has the peer closed its end, which cancels the operation? */
bool reply_cancelled(int fd);

#endif
