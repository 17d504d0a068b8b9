#include "hostd/instance.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "linux/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { PATH_SIZE = 320, ORPHANS_MAX_MS = 5 * 1000, LOCK_RETRY_MS = 2 };

static const char machine_directory[] = "/run/atoll";

static int find_user(const char *name, struct instance *instance, struct error *err)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (!user) {
        error_set_field(err, ERR_VALIDATION, "user", "there is no user '%s'", name);
        return error_hint(err,
                          "Make it: useradd --system --no-create-home --shell "
                          "/usr/sbin/nologin %s",
                          name);
    }
    instance->user_id = user->pw_uid;
    instance->group_id = user->pw_gid;
    return 0;
}

static int make_directory(const char *path, mode_t mode, gid_t group, struct error *err)
{
    if ((mkdir(path, mode) < 0 && errno != EEXIST) || chown(path, (uid_t)-1, group) < 0 ||
        chmod(path, mode) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "make %s", path);
    }
    return 0;
}

static int make_directories(const struct settings *settings, gid_t group, struct error *err)
{
    char run[PATH_SIZE];
    if (mkdir(settings->state, 0711) < 0 && errno != EEXIST) {
        return error_set(err, ERR_INTERNAL, errno, "make %s", settings->state);
    }
    return make_directory(settings_path(settings, "run", run, sizeof(run)), 0750, group, err) < 0
               ? -1
               : make_directory(machine_directory, 0755, 0, err);
}

static pid_t read_holder(int fd)
{
    char text[32] = "";
    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* What atoll-host forked holds its locks too, until it notices that atoll-host is gone: a lock without a
 * living owner is about to be let go. */
static int lock_or_wait(int fd, bool (*owned)(int fd, const char *state), const char *state)
{
    int64_t until_ms = clock_monotonic_ms() + ORPHANS_MAX_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (owned(fd, state) || clock_monotonic_ms() >= until_ms) {
            return -1;
        }
        poll(NULL, 0, LOCK_RETRY_MS);
    }
    return 0;
}

static bool holder_lives(int fd, const char *state)
{
    (void)state;
    pid_t holder = read_holder(fd);
    return holder > 0 && kill(holder, 0) == 0;
}

/* The caller holds the state's lock, so nobody who lives owns a number in its name. */
static bool number_is_anothers(int fd, const char *state)
{
    char owner[256] = "";
    return pread(fd, owner, sizeof(owner) - 1, 0) <= 0 || strcmp(owner, state) != 0;
}

static int lock_state(const struct settings *settings, pid_t *ret_holder, struct error *err)
{
    char path[PATH_SIZE], text[32];
    settings_path(settings, "run/host.lock", path, sizeof(path));
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, ERR_INTERNAL, errno, "open %s", path);
    }
    if (lock_or_wait(fd, holder_lives, settings->state) < 0) {
        *ret_holder = read_holder(fd);
        return error_set(err, ERR_CONFLICT, 0, "another atoll-host (process %d) serves %s",
                         *ret_holder, settings->state);
    }
    int length = snprintf(text, sizeof(text), "%d\n", getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        return error_set(err, ERR_INTERNAL, errno, "write %s", path);
    }
    return take_fd(&fd);
}

static char *number_path(int number, char path[64])
{
    snprintf(path, 64, "%s/instance-%d.lock", machine_directory, number);
    return path;
}

struct group_search {
    const struct cgroup_host *cgroups;
    const char *top;
    bool populated;
};

static void check_group(void *owner, int index)
{
    struct group_search *search = owner;
    char name[CGROUP_NAME_SIZE];
    snprintf(name, sizeof(name), "%s/s%d", search->top, index);
    search->populated = search->populated || cgroup_is_populated(search->cgroups, name);
}

/* Do sandboxes of another state live under that number, whose atoll-host is down? */
static bool used_by_other(int fd, int number, const char *state)
{
    char owner[256] = "", top[32];
    struct cgroup_host cgroups;
    struct error ignored;
    if (pread(fd, owner, sizeof(owner) - 1, 0) <= 0 || strcmp(owner, state) == 0 ||
        cgroup_detect(&cgroups, &ignored) < 0) {
        return false;
    }
    snprintf(top, sizeof(top), "atoll-%d", number);
    struct group_search search = {.cgroups = &cgroups, .top = top};
    cgroup_each(&cgroups, top, check_group, &search);
    return search.populated;
}

/* A descriptor of the locked file, or -1 when the number is taken. */
static int try_number(int number, const char *state)
{
    char path[64];
    struct stat opened, named;
    auto_close int fd =
        open(number_path(number, path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || lock_or_wait(fd, number_is_anothers, state) < 0 || fstat(fd, &opened) < 0 ||
        stat(path, &named) < 0 || opened.st_ino != named.st_ino ||
        used_by_other(fd, number, state)) {
        return -1;
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, state, strlen(state), 0) != (ssize_t)strlen(state)) {
        return -1;
    }
    return take_fd(&fd);
}

static int take_number(const struct settings *settings, struct instance *instance,
                       struct error *err)
{
    char path[PATH_SIZE], text[16];
    auto_free char *before = NULL;
    settings_path(settings, "run/instance", path, sizeof(path));
    if (read_file_at(AT_FDCWD, path, 16, &before) > 0) {
        long number = strtol(before, NULL, 10);
        if (number >= 0 && number < INSTANCE_COUNT) {
            instance->number = (int)number;
            instance->number_lock = try_number(instance->number, settings->state);
        }
    }
    for (int number = 0; number < INSTANCE_COUNT && instance->number_lock < 0; number++) {
        instance->number = number;
        instance->number_lock = try_number(number, settings->state);
    }
    if (instance->number_lock < 0) {
        return error_set(err, ERR_CAPACITY, 0, "all %d instance numbers of this machine are in use",
                         INSTANCE_COUNT);
    }
    int length = snprintf(text, sizeof(text), "%d\n", instance->number);
    return write_file_atomic(path, text, (size_t)length, 0600) < 0
               ? error_set(err, ERR_INTERNAL, errno, "write %s", path)
               : 0;
}

int instance_claim(const struct settings *settings, struct instance *ret_instance,
                   pid_t *ret_holder, struct error *err)
{
    struct instance instance = {.state_lock = -1, .number_lock = -1};
    *ret_holder = 0;
    if (find_user(settings->user, &instance, err) < 0 ||
        make_directories(settings, instance.group_id, err) < 0) {
        return -1;
    }
    instance.state_lock = lock_state(settings, ret_holder, err);
    if (instance.state_lock < 0) {
        return -1;
    }
    if (take_number(settings, &instance, err) < 0) {
        close_fd(instance.state_lock);
        return -1;
    }
    *ret_instance = instance;
    return 0;
}

void instance_release(const struct settings *settings, struct instance *instance, int forget)
{
    char path[PATH_SIZE];
    if (forget) {
        unlink(number_path(instance->number, path));
        unlink(settings_path(settings, "run/host.sock", path, sizeof(path)));
        unlink(settings_path(settings, "run/instance", path, sizeof(path)));
        unlink(settings_path(settings, "run/host.lock", path, sizeof(path)));
    }
    instance->number_lock = close_fd(instance->number_lock);
    instance->state_lock = close_fd(instance->state_lock);
}
