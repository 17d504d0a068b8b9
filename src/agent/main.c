#include "agent/agent.h"
#include "agent/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* PID 1 of a sandbox. See agent.c for the descriptors that it is started with. */
int main(void)
{
    static struct agent agent;
    if (agent_init(&agent) < 0) {
        perror("atoll-agent");
        return 1;
    }
    if (getpid() == 1) {
        identity_write("/etc", getenv("HOSTNAME"), getenv("ATOLL_HOSTS_IP"),
                       getenv("ATOLL_RESOLVERS"));
    }
    agent_serve(&agent);
    return 0;
}
