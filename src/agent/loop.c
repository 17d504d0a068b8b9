#include "agent/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 32 };

int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int loop_init(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll_fd < 0 ? -1 : 0;
}

void loop_turn(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);
    loop->woke_us = monotonic_us();
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        /* An earlier event of this turn may have ended this watch. */
        if (watch->registered) {
            watch->on_ready(watch, events[i].events);
        }
    }
}

int loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
    if (events == 0) {
        /* Removed, not masked: epoll reports a hang-up whatever the mask. */
        if (watch->registered) {
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
            watch->registered = false;
        }
        watch->events = 0;
        return 0;
    }
    if (watch->registered && watch->events == events) {
        return 0;
    }
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int operation = watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) < 0) {
        return -1;
    }
    watch->registered = true;
    watch->events = events;
    return 0;
}

void watch_close(struct watch *watch)
{
    if (watch->fd >= 0) {
        close(watch->fd);
        watch->fd = -1;
    }
    watch->registered = false;
    watch->events = 0;
}
