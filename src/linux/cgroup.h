/* Control groups of sandboxes on v1, hybrid and v2 hosts. A group is a directory of the same name
 * ("atoll-0/s17") in every hierarchy that is used. */
#ifndef ATOLL_LINUX_CGROUP_H
#define ATOLL_LINUX_CGROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CGROUP_PATH_SIZE = 128, CGROUP_NAME_SIZE = 40, CGROUP_TREES_MAX = 6 };

enum cgroup_mode { CGROUP_MODE_V1, CGROUP_MODE_HYBRID, CGROUP_MODE_V2 };

/* What the host has: mount points, "" where a controller is not to be had. */
struct cgroup_host {
    enum cgroup_mode mode;
    char cpu[CGROUP_PATH_SIZE];     /* v1 */
    char cpuacct[CGROUP_PATH_SIZE]; /* v1 */
    char memory[CGROUP_PATH_SIZE];  /* v1 */
    char pids[CGROUP_PATH_SIZE];    /* v1 */
    char freezer[CGROUP_PATH_SIZE]; /* v1, only when there is no unified tree */
    char unified[CGROUP_PATH_SIZE]; /* v2 */
};

struct cgroup_limits {
    int64_t cpu_count;
    int64_t memory_bytes;
    int64_t process_count;
};

struct cgroup_usage {
    int64_t cpu_us;
    int64_t memory_bytes;
    int64_t memory_peak_bytes;
    int64_t process_count;
    int64_t oom_kills;
};

/* How limits and accounting are done; one for v1 controllers, one for v2. */
struct cgroup_controllers {
    int (*limit)(const struct cgroup_host *host, const char *name,
                 const struct cgroup_limits *limits, struct error *err);
    int (*set_background)(const struct cgroup_host *host, const char *name, bool background,
                          struct error *err);
    void (*usage)(const struct cgroup_host *host, const char *name, struct cgroup_usage *usage);
    /* A descriptor of the file with a line "oom_kill N"; -1 errno. */
    int (*open_oom_counter)(const struct cgroup_host *host, const char *name);
};

extern const struct cgroup_controllers cgroup_v1_controllers;
extern const struct cgroup_controllers cgroup_v2_controllers;

/* Finds the hierarchies; fails with ERR_HOST_UNSUPPORTED when a needed controller is missing. */
int cgroup_detect(struct cgroup_host *ret_host, struct error *err);
const char *cgroup_mode_name(enum cgroup_mode mode);

/* Makes the instance's top group ("atoll-0"), in which sandboxes' groups get their controllers. */
int cgroup_make_top(const struct cgroup_host *host, const char *top, struct error *err);

/* Asks the kernel to make changes to groups cheap at the price of slightly dearer forks (the mount
 * option favordynmods, Linux 6.0): without it, moving a process after an idle moment takes 10 ms,
 * during which nobody can make or enter a group. Holds for the whole host. Best effort. */
void cgroup_favor_changes(const struct cgroup_host *host);

/* Makes a group. Existing directories are fine. */
int cgroup_make(const struct cgroup_host *host, const char *name, struct error *err);

/* Moves the calling process into the group. Takes milliseconds on v1. */
int cgroup_join(const struct cgroup_host *host, const char *name, struct error *err);

/* Hands the v2 directory of the group to uid, so that it may make groups below, and moves the
 * calling process into the child "agent". *ret_directory_fd: the directory, -1 without a v2 tree. */
int cgroup_delegate(const struct cgroup_host *host, const char *name, uid_t uid,
                    int *ret_directory_fd, struct error *err);

int cgroup_limit(const struct cgroup_host *host, const char *name,
                 const struct cgroup_limits *limits, struct error *err);
/* A group in the background gets an eighth of what another one gets of a CPU that both want. */
int cgroup_set_background(const struct cgroup_host *host, const char *name, bool background,
                          struct error *err);
void cgroup_usage(const struct cgroup_host *host, const char *name, struct cgroup_usage *ret_usage);
int cgroup_open_oom_counter(const struct cgroup_host *host, const char *name);

/* Asks for frozen or thawed; cgroup_is_frozen tells when it has happened (1, 0, or -1 errno). */
int cgroup_set_frozen(const struct cgroup_host *host, const char *name, bool frozen,
                      struct error *err);
int cgroup_is_frozen(const struct cgroup_host *host, const char *name);

/* Is a process in the group or below it? */
bool cgroup_is_populated(const struct cgroup_host *host, const char *name);

/* Kills whatever is in the group. */
void cgroup_kill(const struct cgroup_host *host, const char *name);

/* Removes the group and what is below it. 0 when nothing of it is left, else -1: processes are
 * still ending, try again. */
int cgroup_remove(const struct cgroup_host *host, const char *name);

/* Calls found(number) for every group "<top>/s<number>" in any hierarchy. */
void cgroup_each(const struct cgroup_host *host, const char *top,
                 void (*found)(void *owner, int number), void *owner);

/* For the back ends: one small file of a group. Errors name the file. */
int cgroup_write(const char *mount_point, const char *name, const char *file, const char *text,
                 struct error *err);
int64_t cgroup_read_int(const char *mount_point, const char *name, const char *file);
/* The number behind "key " in a file of such lines; -1 when there is none. */
int64_t cgroup_read_key(const char *mount_point, const char *name, const char *file,
                        const char *key);
int cgroup_open_file(const char *mount_point, const char *name, const char *file);

/* The CFS period: short, so that a group that used up its quota is stopped for short moments. */
enum { CGROUP_CPU_PERIOD_US = 20000 };

#endif
