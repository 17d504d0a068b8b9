/* Connections that have not sent their head yet. */
#ifndef ATOLL_AGENT_CONNECTION_H
#define ATOLL_AGENT_CONNECTION_H

#include "agent/agent.h"

/* Accepts what waits at the listener, reads heads and starts their operations. */
void connections_accept(struct watch *listener, uint32_t events);

#endif
