#include "agent/file.h"
#include "agent/machine.h"
#include "agent/path.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum {
    /* Directories held open at once. Deeper ones are moved up to the top, so no depth is too deep. */
    DEPTH_MAX = 48,
    PASSES_MAX = 16, /* that removed nothing: someone else fills the directory */
    ENTRIES_A_CHECK = 512,
};

struct removal {
    int fd; /* the connection: closed, it cancels */
    int top_fd;
    dev_t device;
    int64_t count;
};

static int remove_directory(struct removal *removal, int parent_fd, const char *name, int depth);

static int move_to_top(struct removal *removal, int parent_fd, const char *name)
{
    unsigned long long random;
    char moved[32];
    if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
        return -1;
    }
    snprintf(moved, sizeof(moved), ".atoll-%016llx", random);
    return renameat(parent_fd, name, removal->top_fd, moved);
}

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int depth)
{
    if (unlinkat(dir_fd, name, 0) == 0) {
        removal->count++;
    } else if (errno == EISDIR || errno == EPERM) {
        return remove_directory(removal, dir_fd, name, depth);
    } else if (errno != ENOENT) {
        return -1;
    }
    if (removal->count % ENTRIES_A_CHECK == 0 && reply_cancelled(removal->fd)) {
        errno = ECANCELED;
        return -1;
    }
    return 0;
}

/* Takes dir_fd and removes what is in it. */
static int empty_directory(struct removal *removal, int dir_fd, int depth)
{
    DIR *directory = fdopendir(dir_fd);
    if (!directory) {
        close_fd(dir_fd);
        return -1;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = remove_entry(removal, dir_fd, entry->d_name, depth + 1);
        }
    }
    int saved = errno;
    closedir(directory);
    errno = saved;
    return result;
}

/* Opens a directory that may be emptied: no link, nothing mounted there. */
static int open_directory(const struct removal *removal, int parent_fd, const char *name)
{
    struct stat st;
    auto_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return -1;
    }
    if (st.st_dev != removal->device) {
        errno = EBUSY;
        return -1;
    }
    return take_fd(&fd);
}

static int remove_directory(struct removal *removal, int parent_fd, const char *name, int depth)
{
    if (depth > DEPTH_MAX) {
        return move_to_top(removal, parent_fd, name);
    }
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        int64_t count_before = removal->count;
        if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0) {
            removal->count++;
            return 0;
        }
        if (errno != ENOTEMPTY && errno != EEXIST) {
            return -1;
        }
        int fd = open_directory(removal, parent_fd, name);
        if (fd < 0) {
            return -1;
        }
        if (depth == 0) {
            removal->top_fd = fd;
        }
        if (empty_directory(removal, fd, depth) < 0) {
            return -1;
        }
        if (removal->count > count_before) {
            pass = 0;
        }
    }
    errno = ENOTEMPTY;
    return -1;
}

static bool is_root(const struct stat *st)
{
    struct stat root;
    return stat("/", &root) < 0 || (st->st_dev == root.st_dev && st->st_ino == root.st_ino);
}

/* Refuses what must stay: the root, and a path that ends in a dot component. */
static int check(const char *path, const struct stat *st)
{
    const char *base = path_base(path);
    if (strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    if (*base == '\0' || is_root(st)) {
        errno = EBUSY;
        return -1;
    }
    return 0;
}

static int reply_count(int fd, int64_t count)
{
    unsigned char frame[64];
    struct frame_writer writer;
    frame_start(&writer, frame, sizeof(frame));
    fields_put_int(&writer.fields, AGENT_COUNT, count);
    reply_send(fd, frame, frame_finish(&writer, AGENT_FRAME_DONE));
    return 0;
}

int file_remove(const struct request *request, int fd, const char **ret_what)
{
    *ret_what = "remove";
    char path[AGENT_PATH_MAX];
    struct stat st;
    struct stat around;
    path_copy(path, request->path);
    if (path_stat(path, false, &st) < 0 || check(path, &st) < 0) {
        return -1;
    }
    auto_close int parent_fd = path_open_parent(path);
    if (parent_fd < 0 || fstat(parent_fd, &around) < 0) {
        return -1;
    }
    struct removal removal = {.fd = fd, .top_fd = -1, .device = around.st_dev};
    int result;
    if (!S_ISDIR(st.st_mode)) {
        result = unlinkat(parent_fd, path_base(path), 0);
        removal.count = 1;
    } else if (!request->recursive) {
        result = unlinkat(parent_fd, path_base(path), AT_REMOVEDIR);
        removal.count = 1;
    } else {
        result = remove_directory(&removal, parent_fd, path_base(path), 0);
    }
    return result < 0 || machine_flush(parent_fd) < 0 ? -1 : reply_count(fd, removal.count);
}
