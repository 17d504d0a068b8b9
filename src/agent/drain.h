/* Pipes of background processes whose command has ended: read for nobody, so that the writers neither
 * block nor die of SIGPIPE. */
#ifndef ATOLL_AGENT_DRAIN_H
#define ATOLL_AGENT_DRAIN_H

#include "agent/agent.h"

/* Takes the pipe over if someone may still write to it, else closes it. */
void drain_start(struct agent *agent, struct watch *pipe);

#endif
