#include "daemon/instance.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_directory(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) == 0) {
        return chmod(path, mode) == 0 /* whatever the umask is */
                   ? 0
                   : error_set(err, ERR_INTERNAL, errno, "make the directory %s", path);
    }
    struct stat info;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return 0;
    }
    int problem = errno;
    error_set(err, ERR_INTERNAL, problem, "make the directory %s", path);
    return error_hint(err, "Run scripts/up, or make it beforehand and give it to this user.");
}

static int own_directory(const char *path, const char *user, struct error *err)
{
    const struct passwd *entry = getpwnam(user);
    if (!entry) {
        error_set(err, ERR_NOT_FOUND, 0, "there is no user '%s'", user);
        return error_hint(err, "Make it: useradd --system --user-group %s", user);
    }
    /* The directory's parent belongs to root, so nobody can have put a link here. */
    if (lchown(path, entry->pw_uid, entry->pw_gid) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "give %s to %s", path, user);
    }
    return 0;
}

int instance_prepare(const struct settings *settings, struct error *err)
{
    char data[INSTANCE_PATH_SIZE];
    umask(0077); /* the database and what lies beside it are for this user only */
    settings_path(settings, "data", data, sizeof(data));
    if (make_directory(settings->state, 0711, err) < 0 || make_directory(data, 0700, err) < 0) {
        return -1;
    }
    if (geteuid() == 0 && own_directory(data, settings->user, err) < 0) {
        return -1;
    }
    return 0;
}

int instance_lock(const struct settings *settings, int *ret_fd, struct error *err)
{
    char path[INSTANCE_PATH_SIZE];
    settings_path(settings, "data/atolld.pid", path, sizeof(path));
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, ERR_INTERNAL, errno, "open %s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        error_set(err, ERR_CONFLICT, 0, "another atolld works with %s", settings->state);
        return error_hint(err, "End it first (scripts/down), or use another state directory.");
    }
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "write %s", path);
    }
    *ret_fd = take_fd(&fd);
    return 0;
}

void instance_raise_limits(const struct settings *settings)
{
    /* Each client of the gateway has a server too; the rest is for the store, agents and watches. */
    rlim_t wanted = (rlim_t)(2 * (settings->gateway_connections + settings->connections)) + 1024;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (limit.rlim_max < wanted) {
        struct rlimit higher = {wanted, wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0) {
            return;
        }
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* what it is now is enough for a few hundred clients */
}

char *instance_database(const struct settings *settings, char path[INSTANCE_PATH_SIZE])
{
    return settings_path(settings, "data/atoll.db", path, INSTANCE_PATH_SIZE);
}

char *instance_images(const struct settings *settings, char path[INSTANCE_PATH_SIZE])
{
    if (settings->images[0]) {
        snprintf(path, INSTANCE_PATH_SIZE, "%s", settings->images);
        return path;
    }
    return settings_path(settings, "images", path, INSTANCE_PATH_SIZE);
}

char *instance_catalogue(const struct settings *settings, char path[INSTANCE_PATH_SIZE])
{
    static const char *const fallbacks[] = {ATOLL_TEMPLATES_INSTALLED, ATOLL_TEMPLATES_SOURCE};
    if (settings->catalogue[0]) {
        snprintf(path, INSTANCE_PATH_SIZE, "%s", settings->catalogue);
        return path;
    }
    settings_path(settings, "templates", path, INSTANCE_PATH_SIZE);
    for (size_t i = 0; i < sizeof(fallbacks) / sizeof(fallbacks[0]) && access(path, R_OK) < 0;
         i++) {
        snprintf(path, INSTANCE_PATH_SIZE, "%s", fallbacks[i]);
    }
    return path;
}
