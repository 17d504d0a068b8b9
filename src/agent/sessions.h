/*
 * Sessions: jobs and terminals, which outlive the connections that start, read and stop them. Main thread.
 */
#ifndef ATOLL_AGENT_SESSIONS_H
#define ATOLL_AGENT_SESSIONS_H

#include "agent/agent.h"
#include "agent/request.h"

#include <sys/types.h>

void sessions_init(struct session_table *table);

/* Answers a SESSION_* request on fd, which it owns from here on. A session that is to be started again
 * takes the request and the head that it points into: then *head is NULL and the request empty. */
void session_operate(struct agent *agent, int fd, struct request *request, unsigned char **head);

/* A child was reaped; others' pids are ignored. */
void session_reaped(struct agent *agent, pid_t pid, int wait_status);

/* After a round of reaping: answers stops whose process trees are gone. */
void sessions_settle(struct agent *agent);

/* The loop stood still for so long, as when the sandbox was paused: that is no time of a timeout. */
void sessions_postpone(struct agent *agent, int64_t stood_ms);

/* Does what is due; returns milliseconds to the next deadline, or -1. */
int sessions_expire(struct agent *agent);

#endif
