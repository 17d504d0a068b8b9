/*
 * Inside the gateway: one thread, its epoll and all connections that belong to it. Everything here is used by that thread
 * only, but for the inbox, through which other threads hand over what they have done.
 */
#ifndef ATOLL_GATEWAY_LOOP_H
#define ATOLL_GATEWAY_LOOP_H

#include "gateway/connector.h"
#include "gateway/directory.h"
#include "gateway/end.h"
#include "gateway/gateway.h"
#include "gateway/peers.h"
#include "gateway/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    UPSTREAM_BUCKETS = 256,
    FAMILIES_REMEMBERED = 1024,
    SCRATCH_SIZE = 128 * 1024, /* a request's head, its target with every byte percent-encoded */
};

/* Counted by one thread, read by any. */
struct loop_counters {
    _Atomic int64_t connections, refused, requests, upgraded, upstream_connections, upstream_idle,
        upstream_failed, rejected_heads, bytes_in, bytes_out, by_class[6];
};

static inline void count(_Atomic int64_t *counter, int64_t by)
{
    int64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + by, memory_order_relaxed);
}

/* What all loops share; not changed once they run. */
struct gateway_shared {
    const struct settings *settings;
    struct directory *directory;
    struct connector *connector;
    struct peers *peers;
    struct tls *tls;              /* NULL: none */
    int listen_fd, listen_tls_fd; /* -1: none */
    int64_t connections_max;
    _Atomic int64_t connections;
    _Atomic int64_t stop_at_ms; /* 0: running; else what still runs then is cut */
};

struct loop {
    struct gateway_shared *shared;
    pthread_t thread;
    int epoll_fd;
    struct end listener, listener_tls, inbox; /* inbox.fd: an eventfd */
    pthread_mutex_t mutex;                    /* guards done */
    struct job *done; /* jobs that the connector finished, the last one first */
    int64_t now_ms, swept_ms;
    bool is_draining;            /* no new requests */
    bool is_full;                /* no descriptors left: listens again at the next sweep */
    struct client *clients;      /* all of this loop */
    struct client *again;        /* have more to do without waiting for an event */
    struct client *dead_clients; /* to be freed when no event can name them any more */
    struct upstream *dead_upstreams;
    struct upstream *idle[UPSTREAM_BUCKETS];
    int64_t idle_count;
    struct errand *errands; /* what clients wait for */
    uint64_t errand_count;
    struct vigil *vigils;  /* for servers that will listen soon */
    uint64_t changes_seen; /* of the directory, see passes_sweep */
    struct {
        uint64_t key;
        int family;
    } families[FAMILIES_REMEMBERED];
    struct blocks blocks;
    struct loop_counters counters;
    char scratch[SCRATCH_SIZE];
};

struct loop *loop_start(struct gateway_shared *shared, struct error *err);

/* Tells the loop to look at shared->stop_at_ms, or at what a job brought. Any thread. */
void loop_wake(struct loop *loop);

/* Waits for the thread to end, which it does after shared->stop_at_ms. */
void loop_join(struct loop *loop);

/* After the connector was stopped. Accepts NULL; returns NULL. */
struct loop *loop_free(struct loop *loop);

/* Adds an end to the loop's epoll. 0, or -1 with errno. */
int loop_add(struct loop *loop, struct end *end);

/* Takes a finished job (the connector's callback). */
void loop_take_job(void *owner, struct job *job);

#endif
