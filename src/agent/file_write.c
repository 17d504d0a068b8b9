#include "agent/file.h"
#include "agent/file_info.h"
#include "agent/file_target.h"
#include "agent/machine.h"
#include "agent/path.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { BUFFER_BYTES = 256 * 1024 };

static int write_fully(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR) {
            return -1;
        }
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/* Moves one DATA payload into the file. 1, 0 when the daemon left, -1 with errno. */
static int receive_payload(int fd, int file_fd, char *buffer, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(fd, buffer, length < BUFFER_BYTES ? length : BUFFER_BYTES, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return 0;
        }
        if (write_fully(file_fd, buffer, (size_t)got) < 0) {
            return -1;
        }
        length -= (size_t)got;
    }
    return 1;
}

/* 1 when DATA_END came, 0 when the daemon left or broke the protocol, -1 with errno. */
static int receive_content(int fd, int file_fd)
{
    auto_free char *buffer = malloc(BUFFER_BYTES);
    if (!buffer) {
        return -1;
    }
    for (;;) {
        unsigned char bytes[FRAME_HEADER_BYTES];
        struct frame_header header;
        if (reply_receive(fd, bytes, sizeof(bytes)) < 0 ||
            frame_header_decode(bytes, &header) < 0) {
            return 0;
        }
        if (header.type == AGENT_FRAME_DATA_END) {
            return header.length == 0;
        }
        if (header.type != AGENT_FRAME_DATA) {
            return 0;
        }
        int result = receive_payload(fd, file_fd, buffer, header.length);
        if (result != 1) {
            return result;
        }
    }
}

int file_write(const struct request *request, int fd, const char **ret_what)
{
    auto_target struct file_target target = FILE_TARGET_NONE;
    *ret_what = "open for writing";
    if (file_target_open(&target, request->path, request->mode) < 0) {
        return -1;
    }
    *ret_what = "write";
    int result = receive_content(fd, target.fd);
    if (result <= 0) {
        return result;
    }
    struct stat st;
    if (file_target_commit(&target, &st) < 0) {
        return -1;
    }
    file_info_reply(fd, AGENT_FRAME_DONE, request->path, -1, &st);
    return 0;
}

/* rename(2) across file systems, for regular files. */
static int move_by_copy(const char *path, int parent_fd, const char *target_path)
{
    auto_close int source = path_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (source < 0 || fstat(source, &st) < 0) {
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = EXDEV;
        return -1;
    }
    auto_target struct file_target target = FILE_TARGET_NONE;
    auto_free char *buffer = malloc(BUFFER_BYTES);
    if (!buffer || file_target_open(&target, target_path, st.st_mode & 07777) < 0) {
        return -1;
    }
    target.uid = st.st_uid;
    target.gid = st.st_gid;
    ssize_t got;
    while ((got = read(source, buffer, BUFFER_BYTES)) > 0) {
        if (write_fully(target.fd, buffer, (size_t)got) < 0) {
            return -1;
        }
    }
    return got < 0 || file_target_commit(&target, &st) < 0
               ? -1
               : unlinkat(parent_fd, path_base(path), 0);
}

int file_rename(const struct request *request, int fd, const char **ret_what)
{
    *ret_what = "rename";
    char path[AGENT_PATH_MAX];
    char target[AGENT_PATH_MAX];
    struct stat st;
    path_copy(path, request->path);
    path_copy(target, request->target);
    /* First, so that a missing source leaves no new directories behind. */
    if (path_stat(path, false, &st) < 0 || path_make_parents(target) < 0) {
        return -1;
    }
    auto_close int parent_fd = path_open_parent(path);
    auto_close int target_fd = path_open_parent(target);
    if (parent_fd < 0 || target_fd < 0) {
        return -1;
    }
    if (renameat(parent_fd, path_base(path), target_fd, path_base(target)) < 0 &&
        (errno != EXDEV || move_by_copy(path, parent_fd, target) < 0)) {
        return -1;
    }
    if (machine_flush(parent_fd) < 0 || machine_flush(target_fd) < 0) {
        return -1;
    }
    reply_done(fd);
    return 0;
}
