#include "agent/file.h"
#include "agent/file_info.h"
#include "agent/path.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <stdint.h>

/* What remains to be sent of a file. */
struct span {
    int fd;
    int64_t offset;
    int64_t length;
    unsigned char *frame; /* FRAME_HEADER_BYTES + FRAME_DATA_MAX */
};

/* Regular files only: opening or reading anything else may block for ever. */
static int open_regular(const char *path, struct stat *ret_stat)
{
    if (path_stat(path, true, ret_stat) < 0) {
        return -1;
    }
    if (!S_ISREG(ret_stat->st_mode)) {
        errno = S_ISDIR(ret_stat->st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    auto_close int fd = path_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, ret_stat) < 0) {
        return -1;
    }
    if (!S_ISREG(ret_stat->st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return take_fd(&fd);
}

/* Files of /proc and /sys say that they are empty: their content tells their size, up to one frame. */
static void measure_virtual(int fd, unsigned char *buffer, struct stat *st)
{
    int64_t total = 0;
    ssize_t got = 1;
    while (st->st_size == 0 && got > 0 && total < FRAME_DATA_MAX) {
        got = pread(fd, buffer, (size_t)(FRAME_DATA_MAX - total), total);
        total += got > 0 ? got : 0;
    }
    if (st->st_size == 0) {
        st->st_size = total;
    }
}

static void clip(const struct request *request, int64_t size, struct span *span)
{
    int64_t offset = request->offset;
    if (offset < 0) {
        offset = -offset < size ? size + offset : 0;
    }
    span->offset = offset < size ? offset : size;
    span->length = size - span->offset;
    if (request->length >= 0 && request->length < span->length) {
        span->length = request->length;
    }
}

/* Sends the span as DATA frames; a file that shrinks meanwhile ends early. 1, 0 when the daemon left, -1
 * with errno. */
static int send_span(int fd, struct span *span)
{
    while (span->length > 0) {
        size_t wanted = span->length < FRAME_DATA_MAX ? (size_t)span->length : FRAME_DATA_MAX;
        ssize_t got = pread(span->fd, span->frame + FRAME_HEADER_BYTES, wanted, span->offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        frame_header_encode((struct frame_header){(uint32_t)got, AGENT_FRAME_DATA}, span->frame);
        if (reply_send(fd, span->frame, FRAME_HEADER_BYTES + (size_t)got) < 0) {
            return 0;
        }
        span->offset += got;
        span->length -= got;
    }
    return 1;
}

int file_read(const struct request *request, int fd, const char **ret_what)
{
    struct stat st;
    *ret_what = "open for reading";
    auto_close int file_fd = open_regular(request->path, &st);
    if (file_fd < 0) {
        return -1;
    }
    *ret_what = "read";
    auto_free unsigned char *frame = malloc(FRAME_HEADER_BYTES + FRAME_DATA_MAX);
    if (!frame) {
        return -1;
    }
    measure_virtual(file_fd, frame, &st);
    struct span span = {.fd = file_fd, .frame = frame};
    clip(request, st.st_size, &span);
    if (file_info_reply(fd, AGENT_FRAME_STAT, request->path, file_fd, &st) < 0) {
        return 0;
    }
    int result = send_span(fd, &span);
    if (result <= 0) {
        return result;
    }
    unsigned char end[2 * FRAME_HEADER_BYTES];
    frame_header_encode((struct frame_header){0, AGENT_FRAME_DATA_END}, end);
    frame_header_encode((struct frame_header){0, AGENT_FRAME_DONE}, end + FRAME_HEADER_BYTES);
    reply_send(fd, end, sizeof(end));
    return 0;
}
