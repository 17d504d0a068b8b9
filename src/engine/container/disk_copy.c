#include "engine/container/internal.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

enum { MEBIBYTE = 1024 * 1024, BLOCK_BYTES = 4096, READ_BYTES = 64 * BLOCK_BYTES };

/* Through memory, between file systems of different kinds. The number of bytes, or -1 errno. */
static ssize_t copy_through(int from, off_t *at, int to, off_t *target, size_t size)
{
    char buffer[16 * BLOCK_BYTES];
    ssize_t got = pread(from, buffer, size < sizeof(buffer) ? size : sizeof(buffer), *at);
    ssize_t put = got > 0 ? pwrite(to, buffer, (size_t)got, *target) : got;
    if (put > 0) {
        *at += put;
        *target += put;
    }
    return put;
}

static ssize_t copy_some(int from, off_t *at, int to, off_t *target, size_t size)
{
    ssize_t done = copy_file_range(from, at, to, target, size, 0);
    bool impossible = done < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP);
    return impossible ? copy_through(from, at, to, target, size) : done;
}

int disk_copy_data(int from, int to, off_t length)
{
    enum { AT_ONCE = 16 * MEBIBYTE }; /* a helper must be able to end in between */
    off_t at = 0;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0 && at < length) {
        off_t end = lseek(from, at, SEEK_HOLE), target = at;
        while (end > 0 && at < end) {
            size_t size = end - at < AT_ONCE ? (size_t)(end - at) : AT_ONCE;
            if (copy_some(from, &at, to, &target, size) <= 0) {
                return -1;
            }
        }
    }
    return at < 0 && errno != ENXIO ? -1 : 0;
}

/* Will the host's disk keep its reserve when so many bytes more are written? */
static int check_space(const struct engine *engine, const struct statvfs *info, int64_t bytes,
                       struct error *err)
{
    int64_t reserve = engine->context.settings->disk_reserve_mb * MEBIBYTE;
    int64_t free_bytes = (int64_t)(info->f_bavail * info->f_frsize);
    if (free_bytes >= reserve + bytes) {
        return 0;
    }
    error_set(err, ERR_CAPACITY, 0,
              "the host's disk has %lld MiB free, of which %lld MiB are kept (disk_reserve_mb)",
              (long long)(free_bytes / MEBIBYTE), (long long)(reserve / MEBIBYTE));
    if (bytes > 0) {
        error_prefix(err, "%lld MiB are needed", (long long)(bytes / MEBIBYTE + 1));
    }
    return -1;
}

int disk_check_space(const struct engine *engine, struct error *err)
{
    struct statvfs info;
    if (statvfs(engine->disks_path, &info) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the free space of %s", engine->disks_path);
    }
    return check_space(engine, &info, 0, err);
}

int disk_copy(const struct engine *engine, int from, int to, struct error *err)
{
    struct stat info;
    struct statvfs space;
    if (ioctl(to, FICLONE, from) == 0) {
        return 0;
    }
    if (fstat(from, &info) < 0 || fstatvfs(to, &space) < 0) {
        return error_set(err, ERR_ENGINE, errno, "copy the disk");
    }
    if (check_space(engine, &space, (int64_t)info.st_blocks * 512, err) < 0) {
        return -1;
    }
    if (ftruncate(to, info.st_size) < 0 || disk_copy_data(from, to, info.st_size) < 0) {
        return error_set(err, errno == ENOSPC || errno == EFBIG ? ERR_CAPACITY : ERR_ENGINE, errno,
                         "copy the disk");
    }
    return 0;
}

/* One stretch of both files; size is at most READ_BYTES. 0, or -1 errno. */
static int update_stretch(int from, int to, off_t offset, size_t size, char *source, char *copy)
{
    if (pread(from, source, size, offset) != (ssize_t)size ||
        pread(to, copy, size, offset) != (ssize_t)size) {
        return -1;
    }
    for (size_t at = 0; at < size; at += BLOCK_BYTES) {
        size_t length = size - at < BLOCK_BYTES ? size - at : BLOCK_BYTES;
        if (memcmp(source + at, copy + at, length) != 0 &&
            pwrite(to, source + at, length, offset + (off_t)at) != (ssize_t)length) {
            return -1;
        }
    }
    return 0;
}

static int update_data(int from, int to, off_t length)
{
    auto_free char *source = malloc(READ_BYTES), *copy = malloc(READ_BYTES);
    off_t at = 0;
    while (source && copy && (at = lseek(from, at, SEEK_DATA)) >= 0 && at < length) {
        off_t end = lseek(from, at, SEEK_HOLE);
        while (at < end) {
            size_t size = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
            if (update_stretch(from, to, at, size, source, copy) < 0) {
                return -1;
            }
            at += (off_t)size;
        }
    }
    return !source || !copy || (at < 0 && errno != ENXIO) ? -1 : 0;
}

/* What was data when it was copied, and has become a hole. */
static int update_holes(int from, int to, off_t length)
{
    off_t at = 0;
    while ((at = lseek(to, at, SEEK_DATA)) >= 0 && at < length) {
        off_t end = lseek(to, at, SEEK_HOLE), data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO) {
            return -1;
        }
        if (data == at) {
            at = lseek(from, at, SEEK_HOLE);
            continue;
        }
        end = data >= 0 && data < end ? data : end;
        if (fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, end - at) < 0) {
            return -1;
        }
        at = end;
    }
    return at < 0 && errno != ENXIO ? -1 : 0;
}

int disk_copy_again(int from, int to, struct error *err)
{
    struct stat info;
    if (ioctl(to, FICLONE, from) == 0) {
        return 0;
    }
    if (fstat(from, &info) < 0 || update_data(from, to, info.st_size) < 0 ||
        update_holes(from, to, info.st_size) < 0) {
        return error_set(err, errno == ENOSPC || errno == EFBIG ? ERR_CAPACITY : ERR_ENGINE, errno,
                         "copy the disk");
    }
    return 0;
}
