#include "gateway/end.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

enum { SMALL_MAX = 4 * 1024 };

/* --- buffers --------------------------------------------------------------------------------- */

void blocks_free(struct blocks *blocks)
{
    while (blocks->count > 0) {
        free(blocks->kept[--blocks->count]);
    }
}

static char *take_block(struct blocks *blocks)
{
    return blocks->count > 0 ? blocks->kept[--blocks->count] : malloc(BLOCK_SIZE);
}

static void release(struct bytes *bytes, struct blocks *blocks)
{
    if (bytes->capacity == BLOCK_SIZE && blocks->count < BLOCKS_KEPT_MAX) {
        blocks->kept[blocks->count++] = bytes->data;
    } else {
        free(bytes->data);
    }
    *bytes = (struct bytes){0};
}

/* Moves the content into a block that it fits in. */
static int use_block(struct bytes *bytes, struct blocks *blocks)
{
    char *block = take_block(blocks);
    if (!block) {
        return -1;
    }
    size_t length = bytes_length(bytes);
    if (bytes->data && length > 0) {
        memcpy(block, bytes_start(bytes), length);
    }
    free(bytes->data);
    *bytes = (struct bytes){.data = block, .end = (uint32_t)length, .capacity = BLOCK_SIZE};
    return 0;
}

static void compact(struct bytes *bytes)
{
    size_t length = bytes_length(bytes);
    if (bytes->data && bytes->start > 0) {
        memmove(bytes->data, bytes_start(bytes), length);
        bytes->start = 0;
        bytes->end = (uint32_t)length;
    }
}

/* Room for length more bytes at the end. */
static int reserve(struct bytes *bytes, struct blocks *blocks, size_t length)
{
    if (!bytes->data && length <= BLOCK_SIZE) {
        return use_block(bytes, blocks);
    }
    if (bytes->capacity - bytes->end >= length) {
        return 0;
    }
    compact(bytes);
    size_t needed = bytes->end + length;
    if (needed <= bytes->capacity) {
        return 0;
    }
    if (needed > PENDING_MAX) {
        return -1;
    }
    char *grown = malloc(needed * 2);
    if (!grown) {
        return -1;
    }
    struct bytes old = *bytes;
    if (old.data && old.end > 0) {
        memcpy(grown, old.data, old.end);
    }
    release(&old, blocks);
    *bytes = (struct bytes){.data = grown, .end = old.end, .capacity = (uint32_t)needed * 2};
    return 0;
}

int end_append(struct end *end, struct blocks *blocks, const void *data, size_t length)
{
    if (length == 0) {
        return 0;
    }
    if (reserve(&end->out, blocks, length)) {
        end->failed = true;
        return -1;
    }
    memcpy(end->out.data + end->out.end, data, length);
    end->out.end += (uint32_t)length;
    return 0;
}

void end_consume(struct end *end, size_t length)
{
    assert(length <= bytes_length(&end->in));
    end->in.start += (uint32_t)length;
    if (end->in.start == end->in.end) {
        end->in.start = end->in.end = 0;
    }
}

static void trim(struct bytes *bytes, struct blocks *blocks)
{
    size_t length = bytes_length(bytes);
    if (length == 0 && bytes->data) {
        release(bytes, blocks);
    } else if (length > 0 && length <= SMALL_MAX && bytes->capacity >= BLOCK_SIZE) {
        char *small = malloc(length);
        if (small) {
            memcpy(small, bytes_start(bytes), length);
            release(bytes, blocks);
            *bytes = (struct bytes){
                .data = small, .end = (uint32_t)length, .capacity = (uint32_t)length};
        }
    }
}

void end_trim(struct end *end, struct blocks *blocks)
{
    trim(&end->in, blocks);
    trim(&end->out, blocks);
}

/* --- reading --------------------------------------------------------------------------------- */

/* What a failed TLS call means: 0 not now, -1 the end or a failure. */
static int tls_result(struct end *end, int result)
{
    switch (SSL_get_error(end->tls, result)) {
    case SSL_ERROR_WANT_READ:
        end->readable = false;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        end->writable = false;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        end->eof = true;
        end->readable = false;
        return -1;
    default:
        end->failed = true;
        return -1;
    }
}

static int fill_tls(struct end *end, char *to, size_t room)
{
    ERR_clear_error();
    int count = SSL_read(end->tls, to, (int)room);
    return count > 0 ? count : tls_result(end, count);
}

static int fill_plain(struct end *end, char *to, size_t room)
{
    ssize_t count = recv(end->fd, to, room, 0);
    if (count > 0) {
        /* Less than there was room for: all was read, and more comes with an event of its own. */
        end->readable = (size_t)count == room || end->hangup;
        return (int)count;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        end->readable = errno == EINTR;
        return 0;
    }
    end->readable = false;
    end->eof = count == 0;
    end->failed = count < 0;
    return -1;
}

int end_fill(struct end *end, struct blocks *blocks)
{
    if (end->eof || end->failed) {
        return -1;
    }
    if (!end->readable) {
        return 0;
    }
    struct bytes *in = &end->in;
    if (in->capacity != BLOCK_SIZE && use_block(in, blocks)) {
        end->failed = true;
        return -1;
    }
    if (in->end == in->capacity) {
        compact(in);
    }
    size_t room = in->capacity - in->end;
    if (room == 0) {
        return 0;
    }
    int count = end->tls ? fill_tls(end, in->data + in->end, room)
                         : fill_plain(end, in->data + in->end, room);
    if (count > 0) {
        in->end += (uint32_t)count;
        end->received_bytes += count;
        return 1;
    }
    return count;
}

/* --- writing --------------------------------------------------------------------------------- */

/* How many bytes the socket took, 0: none now, -1 failed. */
static ssize_t write_tls(struct end *end, const struct iovec *piece)
{
    ERR_clear_error();
    int count = SSL_write(end->tls, piece->iov_base, (int)piece->iov_len);
    return count > 0 ? count : tls_result(end, count);
}

static ssize_t write_plain(struct end *end, struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    ssize_t sent = count == 1 ? send(end->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                              : sendmsg(end->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        end->writable = errno == EINTR;
        return 0;
    }
    if (sent < 0) {
        end->failed = true;
    }
    return sent;
}

static void drop_pending(struct end *end, size_t length)
{
    end->out.start += (uint32_t)length;
    if (end->out.start == end->out.end) {
        end->out.start = end->out.end = 0;
    }
}

int end_flush(struct end *end, struct blocks *blocks)
{
    while (bytes_length(&end->out) > 0 && !end->failed && end->writable) {
        struct iovec pending = {bytes_start(&end->out), bytes_length(&end->out)};
        ssize_t sent = end->tls ? write_tls(end, &pending) : write_plain(end, &pending, 1);
        if (sent > 0) {
            end->sent_bytes += sent;
            drop_pending(end, (size_t)sent);
        }
    }
    if (end->failed) {
        return -1;
    }
    if (bytes_length(&end->out) > 0) {
        return 0;
    }
    trim(&end->out, blocks);
    return 1;
}

/* Keeps what was not sent of the pieces, of which the first skip bytes were. */
static int keep_rest(struct end *end, struct blocks *blocks, const struct iovec *pieces, int count,
                     size_t skip)
{
    for (int i = 0; i < count; i++) {
        size_t length = pieces[i].iov_len;
        if (skip < length &&
            end_append(end, blocks, (const char *)pieces[i].iov_base + skip, length - skip)) {
            return -1;
        }
        skip = skip < length ? 0 : skip - length;
    }
    return 0;
}

static size_t total_of(const struct iovec *pieces, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        total += pieces[i].iov_len;
    }
    return total;
}

/* Without copying what the socket takes at once. */
static int send_pieces(struct end *end, struct blocks *blocks, const struct iovec *pieces,
                       int count)
{
    size_t pending = bytes_length(&end->out), total = pending + total_of(pieces, count);
    struct iovec all[PIECES_MAX + 1];
    int used = 0;
    if (pending > 0) {
        all[used++] = (struct iovec){bytes_start(&end->out), pending};
    }
    for (int i = 0; i < count; i++) {
        all[used++] = pieces[i];
    }
    ssize_t sent = total > 0 ? write_plain(end, all, used) : 0;
    if (sent < 0) {
        return -1;
    }
    end->sent_bytes += sent;
    end->writable = end->writable && (size_t)sent == total;
    size_t of_pending = (size_t)sent < pending ? (size_t)sent : pending;
    drop_pending(end, of_pending);
    return keep_rest(end, blocks, pieces, count, (size_t)sent - of_pending);
}

int end_send(struct end *end, struct blocks *blocks, const struct iovec *pieces, int count)
{
    assert(count <= PIECES_MAX);
    if (end->failed) {
        return -1;
    }
    /* Little is sent as one copy: that is cheaper than several pieces. */
    bool is_little =
        count + (bytes_length(&end->out) > 0) > 1 && total_of(pieces, count) <= SMALL_MAX;
    if (end->tls || !end->writable || is_little) {
        return keep_rest(end, blocks, pieces, count, 0) || end_flush(end, blocks) < 0 ? -1 : 0;
    }
    return send_pieces(end, blocks, pieces, count);
}

/* --- ending ---------------------------------------------------------------------------------- */

void end_shutdown(struct end *end)
{
    if (end->is_shut || end->fd < 0) {
        return;
    }
    end->is_shut = true;
    if (end->tls && !end->failed) {
        ERR_clear_error();
        SSL_shutdown(end->tls);
    }
    shutdown(end->fd, SHUT_WR);
}

void end_close(struct end *end, struct blocks *blocks, bool with_reset)
{
    if (end->fd < 0) {
        return;
    }
    if (with_reset) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    } else if (end->tls && !end->failed && !end->is_shut) {
        ERR_clear_error();
        SSL_shutdown(end->tls);
    }
    SSL_free(end->tls);
    end->tls = NULL;
    end->fd = close_fd(end->fd);
    release(&end->in, blocks);
    release(&end->out, blocks);
}
