#include "agent/reply.h"

#include "agent/machine.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { MESSAGE_MAX_BYTES = 300 };

void frame_start(struct frame_writer *writer, unsigned char *data, size_t capacity)
{
    assert(capacity > FRAME_HEADER_BYTES);
    writer->data = data;
    fields_start(&writer->fields, data + FRAME_HEADER_BYTES, capacity - FRAME_HEADER_BYTES);
}

size_t frame_finish(struct frame_writer *writer, enum agent_frame type)
{
    assert(!writer->fields.overflow);
    struct frame_header header = {(uint32_t)writer->fields.length, (uint8_t)type};
    frame_header_encode(header, writer->data);
    return FRAME_HEADER_BYTES + writer->fields.length;
}

size_t frame_error(unsigned char *data, int errnum, const char *message, const char *stage)
{
    struct frame_writer writer;
    frame_start(&writer, data, ERROR_FRAME_MAX);
    fields_put_int(&writer.fields, AGENT_ERRNO, errnum > 0 ? errnum : EIO);
    fields_put_bytes(&writer.fields, AGENT_MESSAGE, message, strnlen(message, MESSAGE_MAX_BYTES));
    if (stage) {
        fields_put_string(&writer.fields, AGENT_STAGE, stage);
    }
    return frame_finish(&writer, AGENT_FRAME_ERROR);
}

int reply_send(int fd, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, from, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return -1;
        }
        from += sent;
        length -= (size_t)sent;
    }
    return 0;
}

int reply_error(int fd, int errnum, const char *message)
{
    unsigned char frame[ERROR_FRAME_MAX];
    return reply_send(fd, frame, frame_error(frame, errnum, message, NULL));
}

int reply_done(int fd)
{
    unsigned char frame[FRAME_HEADER_BYTES];
    frame_header_encode((struct frame_header){0, AGENT_FRAME_DONE}, frame);
    return reply_send(fd, frame, sizeof(frame));
}

int reply_receive(int fd, void *bytes, size_t length)
{
    unsigned char *target = bytes;
    while (length > 0) {
        ssize_t got = recv(fd, target, length, MSG_WAITALL);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return -1;
        }
        target += got;
        length -= (size_t)got;
    }
    return 0;
}

void reply_await_close(int fd)
{
    enum { DISCARD_BYTES = 4096, SILENCE_SECONDS_MAX = 30 };
    char discarded[DISCARD_BYTES];
    struct timeval silence = {.tv_sec = SILENCE_SECONDS_MAX};
    ssize_t got = 1;
    if (!machine_is_own() || shutdown(fd, SHUT_WR) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) < 0) {
        return;
    }
    while (got > 0 || (got < 0 && errno == EINTR)) {
        got = recv(fd, discarded, sizeof(discarded), 0);
    }
}

bool reply_cancelled(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}
