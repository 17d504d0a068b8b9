/* The operation that tells a sandbox who it is from now on. */
#ifndef ATOLL_AGENT_IDENTITY_ANSWER_H
#define ATOLL_AGENT_IDENTITY_ANSWER_H

#include "agent/agent.h"
#include "agent/request.h"

/* Carries an IDENTITY request out, answers on fd and closes it. */
void identity_answer(const struct agent *agent, int fd, const struct request *request);

#endif
