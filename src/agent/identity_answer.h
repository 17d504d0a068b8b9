/* The operation that tells a sandbox who it is from now on. */
#ifndef ATOLL_AGENT_IDENTITY_ANSWER_H
#define ATOLL_AGENT_IDENTITY_ANSWER_H

#include "agent/request.h"

/* Carries an IDENTITY request out, answers on fd and closes it. cgroup_fd: of all commands, or -1. */
void identity_answer(int fd, const struct request *request, int cgroup_fd);

#endif
