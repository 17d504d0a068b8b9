#include "linux/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* Reconfiguring sets what is named and clears what is not, so what is set must be named again. */
static const char *const kept_options[] = {"nsdelegate", "memory_localevents",
                                           "memory_recursiveprot", "memory_hugetlb_accounting",
                                           "pids_localevents"};

static const char favor_option[] = "favordynmods";

/* The options of the mount at path, from /proc/self/mounts. */
static bool find_options(const char *path, char options[512])
{
    enum { MOUNTS_MAX_BYTES = 1024 * 1024 };
    auto_free char *mounts = NULL;
    char *rest = NULL, at[CGROUP_PATH_SIZE];
    if (read_file_at(AT_FDCWD, "/proc/self/mounts", MOUNTS_MAX_BYTES, &mounts) < 0) {
        return false;
    }
    for (char *line = strtok_r(mounts, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, "%*s %127s %*s %511s", at, options) == 2 && strcmp(at, path) == 0) {
            return true;
        }
    }
    return false;
}

void cgroup_favor_changes(const struct cgroup_host *host)
{
    char options[512];
    if (!host->unified[0] || !find_options(host->unified, options) ||
        strstr(options, favor_option)) {
        return;
    }
    auto_close int fs = fspick(AT_FDCWD, host->unified, FSPICK_CLOEXEC);
    if (fs < 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(kept_options) / sizeof(kept_options[0]); i++) {
        if (strstr(options, kept_options[i])) {
            fsconfig(fs, FSCONFIG_SET_FLAG, kept_options[i], NULL, 0);
        }
    }
    if (fsconfig(fs, FSCONFIG_SET_FLAG, favor_option, NULL, 0) == 0) {
        fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
    }
}
