/*
 * One end of a proxied connection: a non-blocking socket, TLS or not, with what was read and not yet used and what
 * was to be sent and not yet taken. Buffers exist only while they hold something. Used by one loop's thread.
 */
#ifndef ATOLL_GATEWAY_END_H
#define ATOLL_GATEWAY_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { BLOCK_SIZE = 32 * 1024, BLOCKS_KEPT_MAX = 64, PENDING_MAX = 512 * 1024, PIECES_MAX = 4 };

/* Blocks that a loop keeps for its next reads. */
struct blocks {
    char *kept[BLOCKS_KEPT_MAX];
    int count;
};

void blocks_free(struct blocks *blocks);

/* Bytes start..end of data are in use. */
struct bytes {
    char *data;
    uint32_t start, end, capacity;
};

static inline size_t bytes_length(const struct bytes *bytes)
{
    return bytes->end - bytes->start;
}

static inline char *bytes_start(const struct bytes *bytes)
{
    return bytes->data + bytes->start;
}

/* What an epoll event belongs to. */
enum end_kind { END_LISTENER, END_LISTENER_TLS, END_INBOX, END_CLIENT, END_UPSTREAM };

struct end {
    enum end_kind kind;
    int fd;
    bool readable, writable; /* as far as is known: epoll tells edges */
    bool hangup;             /* the peer sends no more; there may be something to read yet */
    bool eof;                /* and all was read */
    bool failed;             /* reading or writing failed: of no more use */
    bool is_shut;            /* our side was shut down */
    struct ssl_st *tls;      /* NULL: plain */
    struct bytes in, out;
    int64_t received_bytes, sent_bytes;
};

/* Reads once. 1: something came, 0: nothing now (or no room: use it first), -1: eof or failed is set. */
int end_fill(struct end *end, struct blocks *blocks);

/* Sends what is pending and then the pieces (at most PIECES_MAX); what the socket does not take becomes pending. 0, or -1 with
 * failed set. */
int end_send(struct end *end, struct blocks *blocks, const struct iovec *pieces, int count);

/* Sends what is pending. 1: nothing is left, 0: not yet, -1: failed. */
int end_flush(struct end *end, struct blocks *blocks);

/* Adds to what is pending without sending. -1: failed is set (no memory). */
int end_append(struct end *end, struct blocks *blocks, const void *data, size_t length);

/* Marks length bytes of what was read as used. */
void end_consume(struct end *end, size_t length);

/* Gives back buffers that hold nothing, and large ones that hold little. Call when waiting. */
void end_trim(struct end *end, struct blocks *blocks);

/* Sends FIN (and TLS's close), once. */
void end_shutdown(struct end *end);

/* Closes the socket and frees everything. with_reset: the peer is to see that it was cut. */
void end_close(struct end *end, struct blocks *blocks, bool with_reset);

#endif
