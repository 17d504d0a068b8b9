#include "linux/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_PATH_SIZE = CGROUP_PATH_SIZE + CGROUP_NAME_SIZE + 64, FILE_MAX_BYTES = 64 * 1024 };

/* Groups that a sandbox may make below its own; each costs the kernel memory. */
static const char descendants_max[] = "4096";

static const struct cgroup_controllers *controllers(const struct cgroup_host *host)
{
    return host->mode == CGROUP_MODE_V2 ? &cgroup_v2_controllers : &cgroup_v1_controllers;
}

/* The mount points in use, each once; returns how many. */
static int trees(const struct cgroup_host *host, const char *ret_trees[CGROUP_TREES_MAX])
{
    const char *all[CGROUP_TREES_MAX] = {host->cpu,  host->cpuacct, host->memory,
                                         host->pids, host->freezer, host->unified};
    int count = 0;
    for (int i = 0; i < CGROUP_TREES_MAX; i++) {
        bool seen = all[i][0] == '\0';
        for (int j = 0; j < count && !seen; j++) {
            seen = strcmp(ret_trees[j], all[i]) == 0;
        }
        if (!seen) {
            ret_trees[count++] = all[i];
        }
    }
    return count;
}

static char *file_path(char path[FILE_PATH_SIZE], const char *mount_point, const char *name,
                       const char *file)
{
    snprintf(path, FILE_PATH_SIZE, "%s/%s%s%s", mount_point, name, file[0] ? "/" : "", file);
    return path;
}

int cgroup_write(const char *mount_point, const char *name, const char *file, const char *text,
                 struct error *err)
{
    char path[FILE_PATH_SIZE];
    auto_close int fd = open(file_path(path, mount_point, name, file), O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        return error_set(err, ERR_ENGINE, errno, "write '%s' to %s", text, path);
    }
    return 0;
}

int cgroup_open_file(const char *mount_point, const char *name, const char *file)
{
    char path[FILE_PATH_SIZE];
    return open(file_path(path, mount_point, name, file), O_RDONLY | O_CLOEXEC);
}

int64_t cgroup_read_int(const char *mount_point, const char *name, const char *file)
{
    char path[FILE_PATH_SIZE];
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, file_path(path, mount_point, name, file), 64, &text) < 0) {
        return -1;
    }
    return strtoll(text, NULL, 10);
}

int64_t cgroup_read_key(const char *mount_point, const char *name, const char *file,
                        const char *key)
{
    char path[FILE_PATH_SIZE];
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, file_path(path, mount_point, name, file), FILE_MAX_BYTES, &text) <
        0) {
        return -1;
    }
    size_t length = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            return strtoll(line + length + 1, NULL, 10);
        }
    }
    return -1;
}

static int make_in(const char *mount_point, const char *name, struct error *err)
{
    char path[FILE_PATH_SIZE];
    if (mkdir(file_path(path, mount_point, name, ""), 0755) < 0 && errno != EEXIST) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make cgroup %s", path);
    }
    return 0;
}

int cgroup_make_top(const struct cgroup_host *host, const char *top, struct error *err)
{
    if (host->mode == CGROUP_MODE_V2 &&
        cgroup_write(host->unified, "", "cgroup.subtree_control", "+cpu +memory +pids", err) < 0) {
        return error_hint(err, "Processes sit in the top cgroup of this host or container: give "
                               "atoll-host a host-level cgroup (cgroupns=host).");
    }
    if (cgroup_make(host, top, err) < 0) {
        return -1;
    }
    return host->mode == CGROUP_MODE_V2 ? cgroup_write(host->unified, top, "cgroup.subtree_control",
                                                       "+cpu +memory +pids", err)
                                        : 0;
}

int cgroup_make(const struct cgroup_host *host, const char *name, struct error *err)
{
    const char *list[CGROUP_TREES_MAX] = {0};
    int count = trees(host, list);
    for (int i = 0; i < count; i++) {
        if (make_in(list[i], name, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int cgroup_join(const struct cgroup_host *host, const char *name, struct error *err)
{
    const char *list[CGROUP_TREES_MAX] = {0};
    int count = trees(host, list);
    for (int i = 0; i < count; i++) {
        if (cgroup_write(list[i], name, "cgroup.procs", "0", err) < 0) {
            return -1;
        }
    }
    return 0;
}

int cgroup_delegate(const struct cgroup_host *host, const char *name, uid_t uid,
                    int *ret_directory_fd, struct error *err)
{
    *ret_directory_fd = -1;
    if (!host->unified[0]) {
        return 0;
    }
    char path[FILE_PATH_SIZE], agent[CGROUP_NAME_SIZE + 16];
    snprintf(agent, sizeof(agent), "%s/agent", name);
    struct error ignored;
    if (make_in(host->unified, agent, err) < 0 ||
        cgroup_write(host->unified, agent, "cgroup.procs", "0", err) < 0) {
        return -1;
    }
    cgroup_write(host->unified, name, "cgroup.max.descendants", descendants_max, &ignored);
    if (chown(file_path(path, host->unified, name, ""), uid, uid) < 0 ||
        chown(file_path(path, host->unified, name, "cgroup.procs"), uid, uid) < 0) {
        return error_set(err, ERR_ENGINE, errno, "delegate %s", path);
    }
    int fd = open(file_path(path, host->unified, name, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", path);
    }
    *ret_directory_fd = fd;
    return 0;
}

int cgroup_limit(const struct cgroup_host *host, const char *name,
                 const struct cgroup_limits *limits, struct error *err)
{
    return controllers(host)->limit(host, name, limits, err);
}

int cgroup_set_background(const struct cgroup_host *host, const char *name, bool background,
                          struct error *err)
{
    return controllers(host)->set_background(host, name, background, err);
}

void cgroup_usage(const struct cgroup_host *host, const char *name, struct cgroup_usage *ret_usage)
{
    controllers(host)->usage(host, name, ret_usage);
}

int cgroup_open_oom_counter(const struct cgroup_host *host, const char *name)
{
    return controllers(host)->open_oom_counter(host, name);
}

int cgroup_set_frozen(const struct cgroup_host *host, const char *name, bool frozen,
                      struct error *err)
{
    if (host->unified[0]) {
        return cgroup_write(host->unified, name, "cgroup.freeze", frozen ? "1" : "0", err);
    }
    return cgroup_write(host->freezer, name, "freezer.state", frozen ? "FROZEN" : "THAWED", err);
}

int cgroup_is_frozen(const struct cgroup_host *host, const char *name)
{
    if (host->unified[0]) {
        return (int)cgroup_read_key(host->unified, name, "cgroup.events", "frozen");
    }
    char path[FILE_PATH_SIZE];
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, file_path(path, host->freezer, name, "freezer.state"), 64, &text) <
        0) {
        return -1;
    }
    return strncmp(text, "FROZEN", 6) == 0;
}

bool cgroup_is_populated(const struct cgroup_host *host, const char *name)
{
    if (host->unified[0]) {
        return cgroup_read_key(host->unified, name, "cgroup.events", "populated") == 1;
    }
    char path[FILE_PATH_SIZE];
    auto_free char *text = NULL;
    return read_file_at(AT_FDCWD, file_path(path, host->pids, name, "cgroup.procs"), FILE_MAX_BYTES,
                        &text) > 0;
}

static void kill_listed(const char *mount_point, const char *name)
{
    char path[FILE_PATH_SIZE];
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, file_path(path, mount_point, name, "cgroup.procs"), FILE_MAX_BYTES,
                     &text) < 0) {
        return;
    }
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        if (pid > 1) {
            kill(pid, SIGKILL);
        }
    }
}

void cgroup_kill(const struct cgroup_host *host, const char *name)
{
    struct error ignored;
    if (host->unified[0]) {
        cgroup_write(host->unified, name, "cgroup.kill", "1", &ignored);
        cgroup_write(host->unified, name, "cgroup.freeze", "0", &ignored);
    }
    const char *list[CGROUP_TREES_MAX] = {0};
    int count = trees(host, list);
    for (int i = 0; i < count; i++) {
        kill_listed(list[i], name);
    }
    if (!host->unified[0]) {
        cgroup_write(host->freezer, name, "freezer.state", "THAWED", &ignored);
    }
}

/* Groups nest at most as deep as the agent makes them, plus what a sandbox could if it reached the
 * directory; the bound stops a hostile tree. */
static int remove_tree(int parent_fd, const char *name, int depth)
{
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return 0;
    }
    auto_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd >= 0 && depth > 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        return -1;
    }
    int owned = take_fd(&fd);
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            remove_tree(owned, entry->d_name, depth - 1);
        }
    }
    closedir(directory);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int cgroup_remove(const struct cgroup_host *host, const char *name)
{
    enum { DEPTH_MAX = 8 };
    const char *list[CGROUP_TREES_MAX] = {0};
    int count = trees(host, list), failed = 0;
    for (int i = 0; i < count; i++) {
        char path[FILE_PATH_SIZE];
        if (remove_tree(AT_FDCWD, file_path(path, list[i], name, ""), DEPTH_MAX) < 0) {
            failed = -1;
        }
    }
    return failed;
}

void cgroup_each(const struct cgroup_host *host, const char *top,
                 void (*found)(void *owner, int number), void *owner)
{
    const char *list[CGROUP_TREES_MAX] = {0};
    int count = trees(host, list);
    for (int i = 0; i < count; i++) {
        char path[FILE_PATH_SIZE];
        DIR *directory = opendir(file_path(path, list[i], top, ""));
        struct dirent *entry;
        while (directory && (entry = readdir(directory))) {
            char *end;
            long number = strtol(entry->d_name + 1, &end, 10);
            if (entry->d_name[0] == 's' && end > entry->d_name + 1 && !*end && number >= 0 &&
                number <= 1000000) {
                found(owner, (int)number);
            }
        }
        if (directory) {
            closedir(directory);
        }
    }
}
