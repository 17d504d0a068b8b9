/* What listens in the sandbox. */
#ifndef ATOLL_AGENT_PORTS_H
#define ATOLL_AGENT_PORTS_H

#include "agent/request.h"

/* As the operations of agent/file.h. */
int ports_list(const struct request *request, int fd, const char **ret_what);

#endif
