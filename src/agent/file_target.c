#include "agent/file_target.h"

#include "agent/machine.h"
#include "agent/path.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

enum { FILE_MODE = 0644, NAME_TRIES_MAX = 8 };

/* The name says whether a file will be replaced (odd), which file watches want to know. */
static int open_temporary(struct file_target *target)
{
    for (int i = 0; i < NAME_TRIES_MAX; i++) {
        unsigned long long random;
        if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
            return -1;
        }
        random = (random & ~1ULL) | target->replaces;
        snprintf(target->temporary, sizeof(target->temporary), ".atoll-%016llx", random);
        target->fd = openat(target->dir_fd, target->temporary,
                            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (target->fd >= 0 || errno != EEXIST) {
            break;
        }
    }
    if (target->fd < 0) {
        target->temporary[0] = '\0';
        return -1;
    }
    return 0;
}

/* Whose the file will be and with which mode. -1 when something is there that cannot be replaced. */
static int decide_attributes(struct file_target *target, int64_t mode)
{
    struct stat st;
    if (fstatat(target->dir_fd, path_base(target->path), &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISREG(st.st_mode)) {
            errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
            return -1;
        }
        target->mode = st.st_mode & 07777;
        target->replaces = true;
    } else if (errno == ENOENT && fstat(target->dir_fd, &st) == 0) {
        target->mode = FILE_MODE;
    } else {
        return -1;
    }
    if (mode >= 0) {
        target->mode = (mode_t)mode;
    }
    target->uid = st.st_uid;
    target->gid = st.st_gid;
    return 0;
}

int file_target_open(struct file_target *target, const char *path, int64_t mode)
{
    snprintf(target->path, sizeof(target->path), "%s", path);
    if (path_follow(target->path) < 0) {
        return -1;
    }
    const char *base = path_base(target->path);
    if (*base == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
        errno = EISDIR;
        return -1;
    }
    if (path_make_parents(target->path) < 0) {
        return -1;
    }
    target->dir_fd = path_open_parent(target->path);
    if (target->dir_fd < 0 || decide_attributes(target, mode) < 0) {
        return -1;
    }
    return open_temporary(target);
}

int file_target_commit(struct file_target *target, struct stat *ret_stat)
{
    if ((target->uid != geteuid() || target->gid != getegid()) &&
        fchown(target->fd, target->uid, target->gid) < 0 && errno != EPERM) {
        return -1;
    }
    if (fchmod(target->fd, target->mode) < 0 ||
        (!target->keep_open && machine_flush(target->fd) < 0) || fstat(target->fd, ret_stat) < 0) {
        return -1;
    }
    if (!target->keep_open) {
        target->fd = close_fd(target->fd); /* under its old name: watches are told of one change */
    }
    if (renameat(target->dir_fd, target->temporary, target->dir_fd, path_base(target->path)) < 0) {
        return -1;
    }
    target->temporary[0] = '\0';
    return target->keep_open ? 0 : machine_flush(target->dir_fd);
}

void file_target_close(struct file_target *target)
{
    int saved = errno;
    if (target->temporary[0]) {
        unlinkat(target->dir_fd, target->temporary, 0);
    }
    errno = saved;
    target->fd = close_fd(target->fd);
    target->dir_fd = close_fd(target->dir_fd);
}
