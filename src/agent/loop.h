/* The agent's event loop: epoll watches. One thread. */
#ifndef ATOLL_AGENT_LOOP_H
#define ATOLL_AGENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Embedded in whoever owns the descriptor. An owner that closes watches while events are being
 * handed out must stay allocated until the turn is over (see agent_bury). */
struct watch {
    int fd;          /* -1: none */
    bool registered; /* known to epoll */
    uint32_t events;
    void *owner;
    void (*on_ready)(struct watch *watch, uint32_t events);
};

#define WATCH_NONE ((struct watch){.fd = -1})

struct loop {
    int epoll_fd;
    int64_t woke_us; /* when the latest wait was over */
};

int64_t monotonic_us(void);

/* 0, or -1 with errno. */
int loop_init(struct loop *loop);

/* Waits at most timeout_ms (-1: for ever) and calls on_ready of what is ready. */
void loop_turn(struct loop *loop, int timeout_ms);

/* Starts or changes what is waited for; 0 events stop it. 0, or -1 with errno (ENOMEM, ENOSPC). */
int loop_watch(struct loop *loop, struct watch *watch, uint32_t events);

/* Closes the descriptor, which ends the watch too: no other process holds it. */
void watch_close(struct watch *watch);

#endif
