#include "agent/session_log.h"

#include "agent/file_target.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

enum { LOG_MODE = 0644, COPY_BYTES = 16 * 1024 };

/* A new regular file with that text in the place of path, as uploads make it. Its descriptor, or -1. */
static int replace_file(const char *path, const char *text)
{
    auto_target struct file_target target = FILE_TARGET_NONE;
    struct stat st;
    size_t length = strlen(text);
    target.keep_open = true;
    return file_target_open(&target, path, LOG_MODE) == 0 &&
                   write(target.fd, text, length) == (ssize_t)length &&
                   file_target_commit(&target, &st) == 0
               ? take_fd(&target.fd)
               : -1;
}

void session_log_open(struct session_log *log, const char *path)
{
    log->fd = path ? replace_file(path, "") : -1;
    log->size = 0;
}

void session_log_close(struct session_log *log)
{
    log->fd = close_fd(log->fd);
}

/* Moves what begins behind from, at the next line, to the file's start. */
static void cut(struct session_log *log, int64_t from)
{
    char bytes[COPY_BYTES];
    int64_t to = 0;
    bool in_line = true;
    ssize_t got;
    while (from < log->size && (got = pread(log->fd, bytes, sizeof(bytes), from)) > 0) {
        const char *start = bytes;
        if (in_line) {
            const char *newline = memchr(bytes, '\n', (size_t)got);
            in_line = newline == NULL;
            start = newline ? newline + 1 : bytes;
        }
        size_t length = (size_t)(bytes + got - start);
        if (length > 0 && pwrite(log->fd, start, length, to) != (ssize_t)length) {
            break;
        }
        to += (int64_t)length;
        from += got;
    }
    log->size = ftruncate(log->fd, to) == 0 ? to : 0;
}

void session_log_put(struct session_log *log, const void *bytes, size_t length)
{
    if (log->fd < 0) {
        return;
    }
    struct stat st;
    if (log->size + (int64_t)length > AGENT_LOG_MAX_BYTES) {
        cut(log, log->size / 2);
    }
    /* Someone inside may have emptied it. */
    if (fstat(log->fd, &st) == 0 && st.st_size < log->size) {
        log->size = st.st_size;
    }
    ssize_t written = pwrite(log->fd, bytes, length, log->size);
    log->size += written > 0 ? written : 0;
}

void session_write_pid(const char *path, pid_t pid)
{
    char text[16];
    snprintf(text, sizeof(text), "%d\n", (int)pid);
    close_fd(path ? replace_file(path, text) : -1);
}
