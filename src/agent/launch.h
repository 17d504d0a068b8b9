/* What every first process of a tree needs before it is spawned: account, environment, pipes. */
#ifndef ATOLL_AGENT_LAUNCH_H
#define ATOLL_AGENT_LAUNCH_H

#include "agent/agent.h"
#include "agent/request.h"

/* The plan, the memory that it points into, and the child's ends of what it is given. */
struct launch {
    struct spawn_plan plan;
    struct account account;
    int child_end[3];
    char home[ACCOUNT_HOME_SIZE + 8];
    char user[ACCOUNT_NAME_SIZE + 8];
    char logname[ACCOUNT_NAME_SIZE + 8];
};

#define LAUNCH_NONE ((struct launch){.child_end = {-1, -1, -1}})

/* Fills the plan but for its stdio and tree. SPAWN_NONE, or the step that failed with errno. The request
 * must outlive the plan. */
enum spawn_stage launch_prepare(struct launch *launch, struct agent *agent,
                                const struct request *request);

/* Pipes for stdout, stderr and, if the request opens it, stdin: the agent's ends, not blocking, into
 * *ret_input (else -1) and ret_outputs. 0, or -1 with errno; the caller closes what is there. */
int launch_open_pipes(struct launch *launch, struct agent *agent, const struct request *request,
                      int *ret_input, int *ret_output, int *ret_error_output);

/* Closes the child's ends. */
void launch_clear(struct launch *launch);

#define auto_launch __attribute__((cleanup(launch_clear)))

/* What people are told that failed: a path, a user, a command. */
const char *launch_failed_step(const struct request *request, enum spawn_stage stage);

#endif
