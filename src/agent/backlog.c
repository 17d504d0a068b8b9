#include "agent/backlog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void backlog_clear(struct backlog *backlog)
{
    free(backlog->data);
    *backlog = (struct backlog){0};
}

int backlog_keep(struct backlog *backlog, const unsigned char *data, size_t length)
{
    assert(!backlog_waits(backlog));
    backlog_clear(backlog);
    return backlog_append(backlog, data, length);
}

int backlog_append(struct backlog *backlog, const unsigned char *data, size_t length)
{
    unsigned char *whole = malloc(backlog->length + length);
    if (!whole) {
        return -1;
    }
    if (backlog->length > 0) {
        memcpy(whole, backlog->data + backlog->offset, backlog->length);
    }
    memcpy(whole + backlog->length, data, length);
    free(backlog->data);
    *backlog = (struct backlog){.data = whole, .length = backlog->length + length};
    return 0;
}

/* Returns how many bytes the socket took, or -1 when the peer is gone. */
static ssize_t send_some(int fd, const unsigned char *data, size_t length)
{
    for (;;) {
        ssize_t sent = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            return sent;
        }
        if (errno == EAGAIN) {
            return 0;
        }
        if (errno != EINTR) {
            return -1;
        }
    }
}

int backlog_send(struct backlog *backlog, int fd, const unsigned char *data, size_t length)
{
    assert(!backlog_waits(backlog));
    while (length > 0) {
        ssize_t sent = send_some(fd, data, length);
        if (sent < 0) {
            return -1;
        }
        if (sent == 0) {
            return backlog_keep(backlog, data, length);
        }
        data += sent;
        length -= (size_t)sent;
    }
    return 0;
}

int backlog_flush(struct backlog *backlog, int fd)
{
    while (backlog_waits(backlog)) {
        ssize_t sent = send_some(fd, backlog->data + backlog->offset, backlog->length);
        if (sent <= 0) {
            return (int)sent;
        }
        backlog->offset += (size_t)sent;
        backlog->length -= (size_t)sent;
    }
    backlog_clear(backlog);
    return 0;
}
