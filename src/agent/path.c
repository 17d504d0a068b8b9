#include "agent/path.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

enum { LINKS_MAX = 40, PARENT_MODE = 0755 };

void path_copy(char target[AGENT_PATH_MAX], const char *path)
{
    size_t length = strlen(path);
    assert(length < AGENT_PATH_MAX);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    memcpy(target, path, length);
    target[length] = '\0';
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void path_parent(char parent[AGENT_PATH_MAX], const char *path)
{
    size_t length = (size_t)(path_base(path) - path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
}

int path_open(const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

int path_open_parent(const char *path)
{
    char parent[AGENT_PATH_MAX];
    path_parent(parent, path);
    return path_open(parent, O_PATH | O_DIRECTORY);
}

int path_stat(const char *path, bool follow, struct stat *ret_stat)
{
    auto_close int fd = path_open(path, O_PATH | (follow ? 0 : O_NOFOLLOW));
    return fd < 0 ? -1 : fstat(fd, ret_stat);
}

int path_follow(char path[AGENT_PATH_MAX])
{
    for (int i = 0; i < LINKS_MAX; i++) {
        char target[AGENT_PATH_MAX];
        auto_close int fd = path_open(path, O_PATH | O_NOFOLLOW);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0) {
            return errno == ENOENT ? 0 : -1;
        }
        if (!S_ISLNK(st.st_mode)) {
            return 0;
        }
        /* What such a link says is no path: it must not become one. */
        auto_close int through = path_open(path, O_PATH);
        if (through < 0 && errno == ELOOP) {
            return -1;
        }
        ssize_t length = readlinkat(fd, "", target, sizeof(target) - 1);
        if (length < 0) {
            return -1;
        }
        target[length] = '\0';
        size_t kept = target[0] == '/' ? 0 : (size_t)(path_base(path) - path);
        if (kept + (size_t)length >= AGENT_PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(path + kept, target, (size_t)length + 1);
    }
    errno = ELOOP;
    return -1;
}

int path_change_mode(const char *path, mode_t mode)
{
    char opened[32];
    auto_close int fd = path_open(path, O_PATH);
    if (fd < 0) {
        return -1;
    }
    /* fchmod wants a descriptor that was opened for reading, which a pipe or device must not be. */
    snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
    return chmod(opened, mode);
}

int path_make_directory(const char *path, mode_t mode)
{
    const char *name = path_base(path);
    struct stat around;
    auto_close int parent_fd = path_open_parent(path);
    if (parent_fd < 0 || fstat(parent_fd, &around) < 0) {
        return -1;
    }
    if (*name == '\0') {
        errno = EEXIST;
        return -1;
    }
    if (mkdirat(parent_fd, name, mode) < 0) {
        return -1;
    }
    if ((around.st_uid != geteuid() || around.st_gid != getegid()) &&
        fchownat(parent_fd, name, around.st_uid, around.st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
        errno != EPERM) {
        return -1;
    }
    /* mkdir leaves set-id and sticky bits out. */
    return mode & 07000 ? path_change_mode(path, mode) : 0;
}

int path_make_parents(const char *path)
{
    char parent[AGENT_PATH_MAX];
    struct stat st;
    path_parent(parent, path);
    if (path_stat(parent, true, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return 0;
        }
        errno = ENOTDIR;
        return -1;
    }
    if (errno != ENOENT) {
        return -1;
    }
    for (char *slash = strchr(parent + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash) {
            *slash = '\0';
        }
        if (path_make_directory(parent, PARENT_MODE) < 0 && errno != EEXIST) {
            return -1;
        }
        if (!slash) {
            return 0;
        }
        *slash = '/';
    }
}
