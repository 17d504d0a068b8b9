#include "agent/agent.h"
#include "agent/identity.h"
#include "agent/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void renew_identity(const char *wanted)
{
    if (wanted && strcmp(wanted, "1") == 0) {
        identity_renew("/etc");
        identity_renew("/var/lib/dbus");
    }
}

/* PID 1 of a sandbox. See agent.c for the descriptors that it is started with. */
int main(void)
{
    static struct agent agent;
    const char *durable = getenv("ATOLL_DURABLE");
    if (durable && strcmp(durable, "1") == 0) {
        machine_enter();
    }
    if (agent_init(&agent) < 0) {
        perror("atoll-agent");
        return 1;
    }
    if (getpid() == 1) {
        identity_write("/etc", getenv("HOSTNAME"), getenv("ATOLL_HOSTS_IP"),
                       getenv("ATOLL_RESOLVERS"));
        renew_identity(getenv("ATOLL_NEW_IDENTITY"));
    }
    agent_serve(&agent);
    return 0;
}
