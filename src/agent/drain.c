#include "agent/drain.h"

#include "base/cleanup.h"

#include <errno.h>
#include <sys/epoll.h>

static void on_drain(struct watch *watch, uint32_t events)
{
    (void)events;
    struct agent *agent = watch->owner;
    ssize_t got = read(watch->fd, agent->batch, CHUNK_BYTES);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        watch_close(watch);
    }
}

void drain_start(struct agent *agent, struct watch *pipe)
{
    char byte;
    if (pipe->fd >= 0 && read(pipe->fd, &byte, 1) != 0) {
        for (int i = 0; i < DRAINS_MAX; i++) {
            struct watch *drain = &agent->drains[i];
            if (!drain->registered) {
                loop_watch(&agent->loop, pipe, 0);
                *drain =
                    (struct watch){.fd = take_fd(&pipe->fd), .owner = agent, .on_ready = on_drain};
                if (loop_watch(&agent->loop, drain, EPOLLIN) < 0) {
                    watch_close(drain);
                }
                return;
            }
        }
    }
    watch_close(pipe);
}
