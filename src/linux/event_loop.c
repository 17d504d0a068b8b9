#include "linux/event_loop.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "linux/process.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static void on_signal(void *owner, uint32_t events)
{
    struct event_loop *loop = owner;
    struct signalfd_siginfo info;
    (void)events;
    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (loop->on_terminate) {
            loop->on_terminate(loop->owner);
        } else {
            event_loop_stop(loop);
        }
    }
}

int event_loop_open(struct event_loop *loop, struct error *err)
{
    *loop = (struct event_loop){.epoll_fd = -1, .signal_fd = -1, .signals.fd = -1};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return error_set(err, ERR_INTERNAL, errno, "set signal mask");
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->signal_fd < 0 ||
        event_source_add(loop, &loop->signals, loop->signal_fd, EPOLLIN, on_signal, loop) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "create event loop");
    }
    return 0;
}

void event_loop_close(struct event_loop *loop)
{
    event_source_close(loop, &loop->signals);
    loop->epoll_fd = close_fd(loop->epoll_fd);
}

static int next_timeout_ms(const struct event_loop *loop)
{
    int64_t soonest = INT64_MAX;
    for (struct event_timer *timer = loop->timers; timer; timer = timer->next) {
        soonest = timer->due_ms < soonest ? timer->due_ms : soonest;
    }
    if (soonest == INT64_MAX) {
        return -1;
    }
    int64_t wait = soonest - clock_monotonic_ms();
    return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void run_due_timers(struct event_loop *loop)
{
    int64_t now = clock_monotonic_ms();
    struct event_timer *timer = loop->timers;
    while (timer) {
        if (timer->due_ms <= now) {
            event_timer_clear(loop, timer);
            timer->on_due(timer->owner);
            timer = loop->timers; /* the callback may have changed the list */
        } else {
            timer = timer->next;
        }
    }
}

void event_loop_run(struct event_loop *loop)
{
    while (!loop->stopping) {
        /* One event a turn: its callback may free the source of any other pending one. */
        struct epoll_event event;
        int count = epoll_wait(loop->epoll_fd, &event, 1, next_timeout_ms(loop));
        if (count == 1) {
            struct event_source *source = event.data.ptr;
            source->on_ready(source->owner, event.events);
        }
        run_due_timers(loop);
    }
}

void event_loop_stop(struct event_loop *loop)
{
    loop->stopping = true;
}

int event_source_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t events,
                     void (*on_ready)(void *owner, uint32_t events), void *owner)
{
    assert(fd >= 0);
    *source = (struct event_source){.fd = fd, .on_ready = on_ready, .owner = owner};
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        source->fd = -1;
        return -1;
    }
    return 0;
}

void event_source_close(struct event_loop *loop, struct event_source *source)
{
    if (source->fd >= 0) {
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        source->fd = close_fd(source->fd);
    }
}

void event_timer_set(struct event_loop *loop, struct event_timer *timer, int64_t delay_ms)
{
    assert(timer->on_due);
    event_timer_clear(loop, timer);
    timer->due_ms = clock_monotonic_ms() + delay_ms;
    timer->armed = true;
    timer->next = loop->timers;
    loop->timers = timer;
}

void event_timer_clear(struct event_loop *loop, struct event_timer *timer)
{
    if (!timer->armed) {
        return;
    }
    struct event_timer **link = &loop->timers;
    while (*link != timer) {
        link = &(*link)->next;
    }
    *link = timer->next;
    timer->armed = false;
}

/* The status that waitpid(2) would give; -1 for a process that is no child of ours. */
static int reap(int pidfd)
{
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) {
        return -1;
    }
    return info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
}

static void on_child(void *owner, uint32_t events)
{
    struct event_child *child = owner;
    (void)events;
    int status = reap(child->source.fd);
    event_source_close(child->loop, &child->source);
    child->on_exit(child->owner, status);
}

int event_child_add(struct event_loop *loop, struct event_child *child, pid_t pid,
                    void (*on_exit)(void *owner, int wait_status), void *owner)
{
    assert(pid > 0 && child->source.fd < 0);
    child->loop = loop;
    child->on_exit = on_exit;
    child->owner = owner;
    int pidfd = process_open(pid);
    if (pidfd < 0) {
        return -1;
    }
    if (event_source_add(loop, &child->source, pidfd, EPOLLIN, on_child, child) < 0) {
        close_fd(pidfd);
        return -1;
    }
    return 0;
}

void event_child_remove(struct event_child *child)
{
    if (child->source.fd >= 0) {
        event_source_close(child->loop, &child->source);
    }
}
