/* Bytes that a socket or pipe did not take yet. */
#ifndef ATOLL_AGENT_BACKLOG_H
#define ATOLL_AGENT_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct backlog {
    unsigned char *data;
    size_t offset, length;
};

static inline bool backlog_waits(const struct backlog *backlog)
{
    return backlog->length > 0;
}

void backlog_clear(struct backlog *backlog);

/* Copies what was left over into an empty one; -1 when there is no memory. */
int backlog_keep(struct backlog *backlog, const unsigned char *data, size_t length);

/* Adds to what waits; -1 when there is no memory. */
int backlog_append(struct backlog *backlog, const unsigned char *data, size_t length);

/* Sends and keeps what the socket does not take; the backlog must be empty. 0, or -1 when the peer is
 * gone or memory is. */
int backlog_send(struct backlog *backlog, int fd, const unsigned char *data, size_t length);

/* Sends what waits, as far as the socket takes it. 0, or -1 when the peer is gone. */
int backlog_flush(struct backlog *backlog, int fd);

#endif
