#include "linux/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <string.h>

enum { MOUNTS_MAX_BYTES = 1024 * 1024 };

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at && *at; at = strpbrk(at, ", \n")) {
        at += strspn(at, ", \n");
        if (strncmp(at, word, length) == 0 && strchr(", \n", at[length])) {
            return true;
        }
    }
    return false;
}

static void note(char mount_point[CGROUP_PATH_SIZE], const char *path)
{
    if (!mount_point[0] && strlen(path) < CGROUP_PATH_SIZE) {
        snprintf(mount_point, CGROUP_PATH_SIZE, "%s", path);
    }
}

static void note_v1(struct cgroup_host *host, const char *path, const char *options)
{
    struct {
        const char *controller;
        char *mount_point;
    } wanted[] = {{"cpu", host->cpu},
                  {"cpuacct", host->cpuacct},
                  {"memory", host->memory},
                  {"pids", host->pids},
                  {"freezer", host->freezer}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (has_word(options, wanted[i].controller)) {
            note(wanted[i].mount_point, path);
        }
    }
}

static int require(bool present, const char *controller, struct error *err)
{
    if (present) {
        return 0;
    }
    error_set(err, ERR_HOST_UNSUPPORTED, 0, "the host has no %s cgroup controller", controller);
    return error_hint(err, "Boot with the %s controller enabled (see /proc/cgroups).", controller);
}

static int check_v2(const struct cgroup_host *host, struct error *err)
{
    auto_free char *controllers = NULL;
    char path[CGROUP_PATH_SIZE + 32];
    snprintf(path, sizeof(path), "%s/cgroup.controllers", host->unified);
    if (read_file_at(AT_FDCWD, path, 4096, &controllers) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "read %s", path);
    }
    return require(has_word(controllers, "cpu"), "cpu", err) < 0 ||
                   require(has_word(controllers, "memory"), "memory", err) < 0 ||
                   require(has_word(controllers, "pids"), "pids", err) < 0
               ? -1
               : 0;
}

static int check_v1(const struct cgroup_host *host, struct error *err)
{
    return require(host->cpu[0], "cpu", err) < 0 || require(host->cpuacct[0], "cpuacct", err) < 0 ||
                   require(host->memory[0], "memory", err) < 0 ||
                   require(host->pids[0], "pids", err) < 0 ||
                   require(host->unified[0] || host->freezer[0], "freezer", err) < 0
               ? -1
               : 0;
}

int cgroup_detect(struct cgroup_host *ret_host, struct error *err)
{
    struct cgroup_host host = {0};
    auto_free char *mounts = NULL;
    if (read_file_at(AT_FDCWD, "/proc/self/mounts", MOUNTS_MAX_BYTES, &mounts) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "read /proc/self/mounts");
    }
    char *rest = NULL;
    for (char *line = strtok_r(mounts, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char path[CGROUP_PATH_SIZE], type[32], options[512];
        if (sscanf(line, "%*s %127s %31s %511s", path, type, options) != 3) {
            continue;
        }
        if (strcmp(type, "cgroup2") == 0) {
            note(host.unified, path);
        } else if (strcmp(type, "cgroup") == 0) {
            note_v1(&host, path, options);
        }
    }
    if (host.memory[0] || host.cpu[0]) {
        host.mode = host.unified[0] ? CGROUP_MODE_HYBRID : CGROUP_MODE_V1;
    } else {
        host.mode = CGROUP_MODE_V2;
    }
    if (host.unified[0]) {
        host.freezer[0] = '\0'; /* the v2 tree freezes better: a frozen process can be killed */
    }
    if ((host.mode == CGROUP_MODE_V2 ? check_v2(&host, err) : check_v1(&host, err)) < 0) {
        return -1;
    }
    *ret_host = host;
    return 0;
}

const char *cgroup_mode_name(enum cgroup_mode mode)
{
    static const char *const names[] = {
        [CGROUP_MODE_V1] = "v1", [CGROUP_MODE_HYBRID] = "hybrid", [CGROUP_MODE_V2] = "v2"};
    return names[mode];
}
