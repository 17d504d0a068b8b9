/* A real agent outside of a sandbox, for tests that drive it through agentclient. */
#ifndef ATOLL_TESTS_AGENT_FIXTURE_H
#define ATOLL_TESTS_AGENT_FIXTURE_H

#include "agentclient/agentclient.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The agent that the tests of this program share: started at the first call, stopped at exit. */
struct fixture {
    char directory[64];    /* of this test program, removed at its end */
    char socket_path[100]; /* the agent's */
    char oom_path[100];    /* the file that it reads its count of killed processes from */
    bool has_cgroup;       /* commands run in cgroups: whole trees can be killed */
    pid_t agent_pid;
};

const struct fixture *fixture(void);

/* directory/name, valid until the fourth next call. */
const char *fixture_path(const char *name);

/* Writes or reads a small file directly, not through the agent. */
bool fixture_write(const char *path, const char *text);
bool fixture_read(const char *path, char *text, size_t size);

/* What a command did. */
struct outcome {
    struct agent_exit exit;
    struct error err;    /* code ERR_NONE when it ended with EXIT */
    char out[64 * 1024]; /* NUL-terminated, cut */
    char err_out[8192];
    size_t out_length; /* whole */
    bool started;
};

/* Runs /bin/sh -c script to its end. */
void run_script(const char *script, struct outcome *ret_outcome);

/* Reads the events of a started command to its end. */
void run_to_end(struct agent_call *call, struct outcome *ret_outcome);

/* Waits until output holds a whole line and parses the number in it; -1 when the command ended first. */
long read_number(struct agent_call *call);

/* Waits until a process that may not be our child is gone; false after a generous time. */
bool wait_gone(pid_t pid);

/* SIGKILL to one process; numbers that mean several are refused. */
void kill_process(pid_t pid);

struct agent_call *start_script(const char *script, int64_t timeout_ms, bool open_stdin);

#endif
