/* What is read for nobody: pipes of background processes whose command has ended, so that the writers neither
 * block nor die of SIGPIPE; and connections that are over, see below. */
#ifndef ATOLL_AGENT_DRAIN_H
#define ATOLL_AGENT_DRAIN_H

#include "agent/agent.h"

/* Takes the pipe over if someone may still write to it, else closes it. */
void drain_start(struct agent *agent, struct watch *pipe);

/* Closes a connection on which everything was sent. In a machine of its own it is a TCP connection: closing one
 * with unread input resets it, and what the peer has not received yet is lost. So there the peer closes first. */
void drain_connection(struct agent *agent, struct watch *socket);

#endif
