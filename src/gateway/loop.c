#include "gateway/loop.h"

#include "gateway/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { EVENTS_MAX = 256, ACCEPTS_MAX = 64, TICK_MS = 1000 };

int loop_add(struct loop *loop, struct end *end)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = end};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, end->fd, &event);
}

/* --- accepting ------------------------------------------------------------------------------- */

static int add_listener(struct loop *loop, struct end *listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = listener};
    return listener->fd < 0 ? 0 : epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event);
}

static void remove_listeners(struct loop *loop)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listener.fd, NULL);
    if (loop->listener_tls.fd >= 0) {
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listener_tls.fd, NULL);
    }
}

static void as_ipv6(const struct sockaddr_storage *peer, struct in6_addr *ret_address)
{
    if (peer->ss_family == AF_INET6) {
        *ret_address = ((const struct sockaddr_in6 *)peer)->sin6_addr;
        return;
    }
    *ret_address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&ret_address->s6_addr[12], &((const struct sockaddr_in *)peer)->sin_addr, 4);
}

static void accept_clients(struct loop *loop, const struct end *listener)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof(peer);
        int fd =
            accept4(listener->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            log_warn("gateway.no_descriptors", "connections=%lld",
                     (long long)atomic_load(&loop->shared->connections));
            loop->is_full = true;
            remove_listeners(loop);
        }
        if (fd < 0) {
            return;
        }
        struct in6_addr address;
        as_ipv6(&peer, &address);
        client_accept(loop, fd, listener->kind == END_LISTENER_TLS, &address);
    }
}

/* --- jobs that come back --------------------------------------------------------------------- */

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    if (write(loop->inbox.fd, &one, sizeof(one)) < 0 && errno != EAGAIN) {
        log_error("gateway.wake", "error=%s", strerrordesc_np(errno));
    }
}

void loop_take_job(void *owner, struct job *job)
{
    struct loop *loop = owner;
    pthread_mutex_lock(&loop->mutex);
    bool is_first = !loop->done;
    job->next = loop->done;
    loop->done = job;
    pthread_mutex_unlock(&loop->mutex);
    if (is_first) {
        loop_wake(loop);
    }
}

static struct job *take_done(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    struct job *job = loop->done;
    loop->done = NULL;
    pthread_mutex_unlock(&loop->mutex);
    return job;
}

static void read_inbox(struct loop *loop)
{
    uint64_t ignored;
    if (read(loop->inbox.fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN) {
        log_error("gateway.inbox", "error=%s", strerrordesc_np(errno));
    }
    struct job *next;
    for (struct job *job = take_done(loop); job; job = next) {
        next = job->next;
        errand_done(loop, job);
    }
}

/* --- one turn -------------------------------------------------------------------------------- */

static void note(struct end *end, uint32_t events)
{
    bool is_over = (events & (EPOLLHUP | EPOLLERR)) != 0;
    bool hangs_up = is_over || (events & EPOLLRDHUP) != 0;
    end->readable = end->readable || (events & EPOLLIN) != 0 || hangs_up;
    end->writable = end->writable || (events & EPOLLOUT) != 0 || is_over;
    end->hangup = end->hangup || hangs_up;
}

static void handle(struct loop *loop, struct end *end, uint32_t events)
{
    switch (end->kind) {
    case END_LISTENER:
    case END_LISTENER_TLS:
        if (!loop->is_draining) {
            accept_clients(loop, end);
        }
        return;
    case END_INBOX:
        read_inbox(loop);
        return;
    case END_CLIENT:
        note(end, events);
        client_run(loop, (struct client *)end);
        return;
    case END_UPSTREAM:
        note(end, events);
        if (end->fd >= 0) {
            upstream_event(loop, (struct upstream *)end);
        }
        return;
    }
}

static void run_again(struct loop *loop)
{
    struct client *client = loop->again;
    loop->again = NULL;
    while (client) {
        struct client *next = client->again_next;
        client->is_again = false;
        client_run(loop, client);
        client = next;
    }
}

static void sweep(struct loop *loop)
{
    struct client *next;
    loop->swept_ms = loop->now_ms;
    for (struct client *client = loop->clients; client; client = next) {
        next = client->next;
        client_tick(loop, client);
    }
    passes_sweep(loop);
    upstreams_sweep(loop, false);
    if (loop->is_full && !loop->is_draining) {
        loop->is_full = add_listener(loop, &loop->listener) != 0 ||
                        add_listener(loop, &loop->listener_tls) != 0;
    }
}

/* No event names them any more, and no list. */
static void free_dead(struct loop *loop)
{
    struct client **slot = &loop->dead_clients;
    while (*slot) {
        struct client *client = *slot;
        if (client->is_again) {
            slot = &client->next;
        } else {
            *slot = client->next;
            free(client);
        }
    }
    while (loop->dead_upstreams) {
        struct upstream *upstream = loop->dead_upstreams;
        loop->dead_upstreams = upstream->next;
        free(upstream);
    }
}

/* --- the end --------------------------------------------------------------------------------- */

static bool may_go_on(const struct client *client)
{
    return client->state == CLIENT_EXCHANGE || client->state == CLIENT_WAITING ||
           client->state == CLIENT_CLOSING;
}

static void close_clients(struct loop *loop, bool all)
{
    struct client *next;
    for (struct client *client = loop->clients; client; client = next) {
        next = client->next;
        if (all || !may_go_on(client)) {
            client_close(loop, client, false);
        }
    }
}

/* Shall the loop end? */
static bool is_over(struct loop *loop)
{
    int64_t stop_at_ms = atomic_load(&loop->shared->stop_at_ms);
    if (stop_at_ms == 0) {
        return false;
    }
    if (!loop->is_draining) {
        loop->is_draining = true;
        remove_listeners(loop);
        close_clients(loop, false);
        upstreams_sweep(loop, true);
    }
    if (loop->clients && loop->now_ms < stop_at_ms) {
        return false;
    }
    close_clients(loop, true);
    return true;
}

static int wait_ms(const struct loop *loop)
{
    if (loop->again) {
        return 0;
    }
    int64_t next_ms = loop->swept_ms + TICK_MS, vigil_ms = vigils_next_ms(loop);
    int64_t left = (vigil_ms < next_ms ? vigil_ms : next_ms) - loop->now_ms;
    left = loop->is_draining && left > 20 ? 20 : left;
    return left > 0 ? (int)left : 0;
}

static void *run(void *argument)
{
    struct loop *loop = argument;
    struct epoll_event events[EVENTS_MAX];
    pthread_setname_np(pthread_self(), "gateway");
    loop->now_ms = loop->swept_ms = clock_monotonic_ms();
    while (!is_over(loop)) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop));
        loop->now_ms = clock_monotonic_ms();
        run_again(loop);
        for (int i = 0; i < count; i++) {
            handle(loop, events[i].data.ptr, events[i].events);
        }
        vigils_run(loop);
        if (loop->now_ms - loop->swept_ms >= TICK_MS) {
            sweep(loop);
        }
        free_dead(loop);
    }
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

static int prepare(struct loop *loop)
{
    const struct gateway_shared *shared = loop->shared;
    loop->listener = (struct end){.kind = END_LISTENER, .fd = shared->listen_fd};
    loop->listener_tls = (struct end){.kind = END_LISTENER_TLS, .fd = shared->listen_tls_fd};
    loop->inbox = (struct end){.kind = END_INBOX, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->inbox};
    return loop->epoll_fd < 0 || loop->inbox.fd < 0 || add_listener(loop, &loop->listener) ||
                   add_listener(loop, &loop->listener_tls) ||
                   epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->inbox.fd, &event)
               ? -1
               : 0;
}

struct loop *loop_start(struct gateway_shared *shared, struct error *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        error_set(err, ERR_INTERNAL, ENOMEM, "start a thread of the gateway");
        return NULL;
    }
    loop->shared = shared;
    pthread_mutex_init(&loop->mutex, NULL);
    int failed = prepare(loop) ? errno : pthread_create(&loop->thread, NULL, run, loop);
    if (failed) {
        error_set(err, ERR_INTERNAL, failed, "start a thread of the gateway");
        return loop_free(loop);
    }
    return loop;
}

void loop_join(struct loop *loop)
{
    pthread_join(loop->thread, NULL);
}

struct loop *loop_free(struct loop *loop)
{
    if (!loop) {
        return NULL;
    }
    struct job *next;
    for (struct job *job = take_done(loop); job; job = next) {
        next = job->next;
        job_free(job);
    }
    run_again(loop);
    upstreams_sweep(loop, true);
    free_dead(loop);
    errands_free(loop);
    vigils_free(loop);
    blocks_free(&loop->blocks);
    close_fd(loop->epoll_fd);
    close_fd(loop->inbox.fd);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
    return NULL;
}
