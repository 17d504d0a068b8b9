#include "base/io.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int write_all(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;
    int is_socket = 1;
    while (length > 0) {
        ssize_t written =
            is_socket ? send(fd, from, length, MSG_NOSIGNAL) : write(fd, from, length);
        if (written < 0 && errno == ENOTSOCK && is_socket) {
            is_socket = 0;
            continue;
        }
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -1;
        }
        from += written;
        length -= (size_t)written;
    }
    return 0;
}

int read_all(int fd, void *bytes, size_t length)
{
    char *target = bytes;
    size_t done = 0;
    while (done < length) {
        ssize_t got = read(fd, target + done, length - done);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -1;
        }
        if (got == 0) {
            if (done == 0) {
                return 0;
            }
            errno = EPIPE;
            return -1;
        }
        done += (size_t)got;
    }
    return 1;
}

ssize_t read_file_at(int dir_fd, const char *path, size_t max, char **ret_text)
{
    auto_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -1;
    }
    auto_free char *text = malloc(max + 2);
    if (!text) {
        return -1;
    }
    size_t length = 0;
    while (length <= max) {
        ssize_t got = read(fd, text + length, max + 1 - length);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -1;
        }
        if (got == 0) {
            text[length] = '\0';
            *ret_text = take_pointer(&text);
            return (ssize_t)length;
        }
        length += (size_t)got;
    }
    errno = EFBIG;
    return -1;
}

int write_file_atomic(const char *path, const void *bytes, size_t length, mode_t mode)
{
    char temporary[PATH_MAX];
    int used = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (used < 0 || (size_t)used >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    auto_close int fd =
        open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return -1;
    }
    if (fchmod(fd, mode) < 0 || write_all(fd, bytes, length) < 0 || fsync(fd) < 0 ||
        rename(temporary, path) < 0) {
        int saved = errno;
        unlink(temporary);
        errno = saved;
        return -1;
    }
    return 0;
}

int set_nonblocking(int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -1;
    }
    return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
