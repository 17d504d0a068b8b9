/* The event loop of a single-threaded daemon: descriptors (epoll), timers, ended children. Every
 * callback runs in the thread that called event_loop_run, one at a time; each object below is owned
 * by its caller and must be removed before its memory goes. */
#ifndef ATOLL_LINUX_EVENT_LOOP_H
#define ATOLL_LINUX_EVENT_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event_source {
    int fd; /* -1: not watched */
    void (*on_ready)(void *owner, uint32_t events);
    void *owner;
};

struct event_timer {
    void (*on_due)(void *owner);
    void *owner;
    int64_t due_ms;
    bool armed;
    struct event_timer *next;
};

/* wait_status: as from waitpid(2), or -1 when the process was not this one's child. */
struct event_child {
    struct event_source source; /* its pidfd; fd -1: not watched */
    struct event_loop *loop;
    void (*on_exit)(void *owner, int wait_status);
    void *owner;
};

struct event_loop {
    int epoll_fd;
    int signal_fd;
    bool stopping;
    struct event_source signals;
    struct event_timer *timers;
    void (*on_terminate)(void *owner); /* SIGTERM or SIGINT came; default: stop */
    void *owner;
};

/* Blocks SIGTERM and SIGINT for the process (processes it forks undo that). 0 or -1. */
int event_loop_open(struct event_loop *loop, struct error *err);
void event_loop_close(struct event_loop *loop);

/* Runs until event_loop_stop. */
void event_loop_run(struct event_loop *loop);
void event_loop_stop(struct event_loop *loop);

/* Watches fd for events (EPOLLIN, …). The fields of source are set by this call. 0, or -1 errno. */
int event_source_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t events,
                     void (*on_ready)(void *owner, uint32_t events), void *owner);

/* Stops watching and closes the descriptor. Does nothing when source is not watched. */
void event_source_close(struct event_loop *loop, struct event_source *source);

/* (Re)arms; it fires once. on_due and owner must be set. */
void event_timer_set(struct event_loop *loop, struct event_timer *timer, int64_t delay_ms);
void event_timer_clear(struct event_loop *loop, struct event_timer *timer);

/* Reports the end of pid, a direct child that has not been waited for, or any other process. 0, or -1
 * errno (ESRCH: it is gone). */
int event_child_add(struct event_loop *loop, struct event_child *child, pid_t pid,
                    void (*on_exit)(void *owner, int wait_status), void *owner);
void event_child_remove(struct event_child *child);

#endif
