#include "engine/vm/launch.h"

#include "base/clock.h"
#include "wire/guest_network.h"

/* As a start does it, with the first commands that are likely. */
static int play(const struct agent_identity *identity, int64_t deadline_ms, struct error *err)
{
    static const char *const commands[] = {"echo", "python3 -c pass", "ls / >/dev/null"};
    int fd = agent_link_open_machine(deadline_ms, err);
    if (fd < 0 || agent_link_identity(fd, identity, deadline_ms, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const char *const argv[] = {"/bin/bash", "-c", commands[i], NULL};
        struct error ignored; /* a template need not have these programs */
        fd = agent_link_open_machine(deadline_ms, err);
        if (fd < 0) {
            return -1;
        }
        agent_link_run(fd, argv, deadline_ms, &ignored);
    }
    return 0;
}

int launch_rehearse(const struct launch *launch, int times, struct error *err)
{
    struct agent_identity identity = {
        .hostname = "sandbox", .address = GUEST_ADDRESS, .new_identity = true, .machine = true};
    int64_t deadline_ms = clock_monotonic_ms() + VM_START_MAX_MS;
    resolvers_join(&launch->engine->context.resolvers, ",", identity.resolvers,
                   sizeof(identity.resolvers));
    for (int i = 0; i < times; i++) {
        if (play(&identity, deadline_ms, err) < 0) {
            return -1;
        }
    }
    return 0;
}
