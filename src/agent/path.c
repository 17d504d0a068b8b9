#include "agent/path.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int path_follow(char path[AGENT_PATH_MAX])
{
    for (int i = 0; i < LINKS_MAX; i++) {
        char target[AGENT_PATH_MAX];
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        if (length < 0) {
            return errno == EINVAL || errno == ENOENT ? 0 : -1;
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

int path_make_directory(const char *path, mode_t mode)
{
    char parent[AGENT_PATH_MAX];
    struct stat around;
    if (mkdir(path, mode) < 0) {
        return -1;
    }
    path_parent(parent, path);
    if (stat(parent, &around) == 0 && (around.st_uid != geteuid() || around.st_gid != getegid()) &&
        lchown(path, around.st_uid, around.st_gid) < 0 && errno != EPERM) {
        return -1;
    }
    /* mkdir leaves set-id and sticky bits out. */
    return mode & 07000 ? chmod(path, mode) : 0;
}

int path_make_parents(const char *path)
{
    char parent[AGENT_PATH_MAX];
    struct stat st;
    path_parent(parent, path);
    if (stat(parent, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return 0;
        }
        errno = ENOTDIR;
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
