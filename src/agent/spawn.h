/* Starts a command's first process. Main thread only. */
#ifndef ATOLL_AGENT_SPAWN_H
#define ATOLL_AGENT_SPAWN_H

#include "agent/account.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* The step at which a start failed; names in spawn_stage_name. */
enum spawn_stage { SPAWN_NONE, SPAWN_FORK, SPAWN_PIPE, SPAWN_USER, SPAWN_CWD, SPAWN_EXEC, SPAWN_PTY };

/* What the child does between clone and execve is all decided here. */
struct spawn_plan {
    char **arguments; /* REQUEST_ARGUMENT_SPARE writable slots lie before the first */
    char **environment;
    const char *search_path; /* PATH of that environment */
    const struct account *account;
    const char *cwd;
    bool cwd_optional; /* fall back to "/" */
    int stdio[3];      /* none of them below 3 */
    int cgroup_fd;     /* -1: stay in the agent's */
    bool terminal;     /* stdio[0] becomes its controlling terminal */
};

struct spawn_report {
    enum spawn_stage stage; /* SPAWN_NONE: running */
    int errnum;
};

struct spawner {
    struct spawn_report *report; /* in memory shared with the child even where it has a copy */
    char *stack;                 /* the child's, while it shares the agent's memory */
    struct rlimit descriptors;   /* what commands get */
};

/* 0, or -1 with errno. descriptors: the limit that commands get. */
int spawner_init(struct spawner *spawner, const struct rlimit *descriptors);

/* Returns the pid, or -1 with *ret_report. When it returns a pid, execve has succeeded. */
pid_t spawn(struct spawner *spawner, const struct spawn_plan *plan,
            struct spawn_report *ret_report);

/* "fork", "pipe", "user", "cwd", "exec", "pty". */
const char *spawn_stage_name(enum spawn_stage stage);

/* The child's side; never returns. Shares the agent's memory: system calls only, nothing of libc that
 * has state. */
struct spawn_child {
    const struct spawn_plan *plan;
    struct spawn_report *report;
    const struct rlimit *descriptors;
};
int spawn_child_run(void *spawn_child);

#endif
