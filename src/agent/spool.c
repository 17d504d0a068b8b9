#include "agent/spool.h"

#include "agent/path.h"
#include "base/cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>

enum { MEMORY_MAX_BYTES = AGENT_SCROLLBACK_MAX_BYTES };

struct record {
    int64_t position; /* of its first byte */
    int64_t time_ms;
    uint32_t length;
    uint32_t stream;
};

/* Where file systems know no O_TMPFILE. */
static int open_unlinked(const char *directory)
{
    unsigned long long random;
    char name[40];
    auto_close int dir_fd = path_open(directory, O_PATH | O_DIRECTORY);
    if (dir_fd < 0 || getrandom(&random, sizeof(random), 0) != sizeof(random)) {
        return -1;
    }
    snprintf(name, sizeof(name), ".atoll-%016llx", random);
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        unlinkat(dir_fd, name, 0);
    }
    return fd;
}

static int open_on_disk(void)
{
    static const char *const directories[] = {"/var/tmp", "/tmp"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        auto_close int dir_fd = path_open(directories[i], O_PATH | O_DIRECTORY);
        int fd = dir_fd < 0 ? -1 : openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) {
            fd = open_unlinked(directories[i]);
        }
        if (fd >= 0) {
            return fd;
        }
    }
    return -1;
}

int spool_open(struct spool *spool, int on_disk, int64_t bytes_max)
{
    *spool = (struct spool){.fd = on_disk ? open_on_disk() : -1, .half_bytes = bytes_max / 2};
    if (spool->fd < 0) {
        spool->fd = memfd_create("output", MFD_CLOEXEC);
        if (bytes_max > MEMORY_MAX_BYTES) {
            spool->half_bytes = MEMORY_MAX_BYTES / 2;
        }
    }
    return spool->fd < 0 ? -1 : 0;
}

void spool_close(struct spool *spool)
{
    spool->fd = close_fd(spool->fd);
}

void spool_drop(struct spool *spool)
{
    spool->halves[0].length = 0;
    spool->halves[1].length = 0;
    int result = ftruncate(spool->fd, 0);
    (void)result; /* as good as gone */
}

int64_t spool_size(const struct spool *spool)
{
    return spool->halves[0].length + spool->halves[1].length;
}

static struct spool_half *half_of(struct spool *spool, uint64_t number)
{
    return &spool->halves[number % 2];
}

static int64_t half_start(const struct spool *spool, uint64_t number)
{
    return (int64_t)(number % 2) * spool->half_bytes;
}

void spool_put(struct spool *spool, int stream, int64_t time_ms, const void *bytes, size_t length)
{
    struct record record = {spool->end, time_ms, (uint32_t)length, (uint32_t)stream};
    int64_t size = (int64_t)(sizeof(record) + length);
    assert(size <= spool->half_bytes);
    if (half_of(spool, spool->newest)->length + size > spool->half_bytes) {
        spool->newest++;
        *half_of(spool, spool->newest) = (struct spool_half){.first_position = spool->end};
    }
    struct spool_half *half = half_of(spool, spool->newest);
    struct iovec parts[2] = {{&record, sizeof(record)}, {(void *)(uintptr_t)bytes, length}};
    if (pwritev(spool->fd, parts, 2, half_start(spool, spool->newest) + half->length) == size) {
        half->length += size;
    }
    spool->end += (int64_t)length;
}

/* Puts the cursor into a half that is kept and has something to read. False when there is none. */
static int find_half(const struct spool *spool, struct spool_cursor *cursor)
{
    uint64_t oldest = spool->newest > 0 ? spool->newest - 1 : 0;
    if (cursor->half < oldest) {
        cursor->half = oldest;
        cursor->offset = 0;
    }
    const struct spool_half *newest = &spool->halves[spool->newest % 2];
    bool is_older = cursor->half < spool->newest;
    if (is_older && (cursor->offset >= spool->halves[cursor->half % 2].length ||
                     cursor->position >= newest->first_position)) {
        cursor->half = spool->newest;
        cursor->offset = 0;
    }
    return cursor->offset < spool->halves[cursor->half % 2].length;
}

/* What was put and is not there. */
static int tell_loss(struct spool_cursor *cursor, int64_t limit, struct spool_piece *ret_piece)
{
    if (cursor->position >= limit) {
        return 0;
    }
    *ret_piece = (struct spool_piece){.stream = 1, .lost = limit - cursor->position};
    cursor->position = limit;
    return 1;
}

int spool_read(const struct spool *spool, struct spool_cursor *cursor, int64_t limit,
               unsigned char *bytes, size_t size, struct spool_piece *ret_piece)
{
    assert(limit <= spool->end && size > 0);
    while (cursor->position < limit && find_half(spool, cursor)) {
        int64_t at = half_start(spool, cursor->half) + cursor->offset;
        struct record record;
        if (pread(spool->fd, &record, sizeof(record), at) != sizeof(record)) {
            break;
        }
        int64_t record_end = record.position + record.length;
        if (record_end <= cursor->position) {
            cursor->offset += (int64_t)(sizeof(record) + record.length);
            continue;
        }
        if (record.position >= limit) {
            break;
        }
        int64_t from = record.position > cursor->position ? record.position : cursor->position;
        int64_t to = record_end < limit ? record_end : limit;
        size_t length = (size_t)(to - from) < size ? (size_t)(to - from) : size;
        at += (int64_t)sizeof(record) + from - record.position;
        if (pread(spool->fd, bytes, length, at) != (ssize_t)length) {
            break;
        }
        *ret_piece = (struct spool_piece){(int)record.stream, record.time_ms,
                                          from - cursor->position, length};
        cursor->position = from + (int64_t)length;
        return 1;
    }
    return tell_loss(cursor, limit, ret_piece);
}
