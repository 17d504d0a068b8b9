/*
 * One EXEC: a process tree, three pipes and a connection. Output is read no faster than the daemon takes it,
 * input is read no faster than the command takes it; the command's end, its timeout and the daemon's leaving
 * are noticed whatever is blocked.
 */
#ifndef ATOLL_AGENT_COMMAND_H
#define ATOLL_AGENT_COMMAND_H

#include "agent/agent.h"
#include "agent/request.h"

#include <sys/types.h>

/* Starts the command of an EXEC request and owns fd from here on; errors are answered on it. */
void command_start(struct agent *agent, int fd, const struct request *request);

/* A child was reaped. Unknown pids are orphans. */
void command_reaped(struct agent *agent, pid_t pid, int wait_status);

/* Kills what is over its time; returns milliseconds to the next deadline, or -1. */
int commands_expire(struct agent *agent);

#endif
