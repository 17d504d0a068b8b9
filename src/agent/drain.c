#include "agent/drain.h"

#include "agent/machine.h"
#include "base/cleanup.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void on_drain(struct watch *watch, uint32_t events)
{
    (void)events;
    struct agent *agent = watch->owner;
    ssize_t got = read(watch->fd, agent->batch, CHUNK_BYTES);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        watch_close(watch);
    }
}

static void on_drain_connection(struct watch *watch, uint32_t events)
{
    (void)events;
    struct agent *agent = watch->owner;
    ssize_t got = recv(watch->fd, agent->batch, CHUNK_BYTES, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        watch_close(watch);
    }
}

/* Takes the descriptor, or closes it when there are too many. */
static void take_over(struct agent *agent, struct watch *watch,
                      void (*on_ready)(struct watch *watch, uint32_t events))
{
    for (int i = 0; i < DRAINS_MAX; i++) {
        struct watch *drain = &agent->drains[i];
        if (!drain->registered) {
            loop_watch(&agent->loop, watch, 0);
            *drain =
                (struct watch){.fd = take_fd(&watch->fd), .owner = agent, .on_ready = on_ready};
            if (loop_watch(&agent->loop, drain, EPOLLIN) < 0) {
                watch_close(drain);
            }
            return;
        }
    }
    watch_close(watch);
}

void drain_start(struct agent *agent, struct watch *pipe)
{
    char byte;
    if (pipe->fd >= 0 && read(pipe->fd, &byte, 1) != 0) {
        take_over(agent, pipe, on_drain);
    } else {
        watch_close(pipe);
    }
}

void drain_connection(struct agent *agent, struct watch *socket)
{
    if (machine_is_own() && shutdown(socket->fd, SHUT_WR) == 0) {
        take_over(agent, socket, on_drain_connection);
    } else {
        watch_close(socket);
    }
}
