/* Connections to servers in sandboxes: made, kept for the next request, closed. */
#include "gateway/client.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    IDLE_MS = 15 * 1000,
    IDLE_MAX = 1024, /* of a loop */
    IDLE_FOR_UNREPLAYABLE_MS =
        1000, /* what cannot be sent twice gets a connection that was just used */
};

/* --- which family a server listens on -------------------------------------------------------- */

static uint64_t key_of(const char *sandbox_id, int port)
{
    uint64_t hash = 14695981039346656037ULL;
    for (const char *p = sandbox_id; *p; p++) {
        hash = (hash ^ (unsigned char)*p) * 1099511628211ULL;
    }
    return (hash ^ (uint64_t)port) * 1099511628211ULL;
}

static int remembered_family(const struct loop *loop, uint64_t key)
{
    bool is_known = loop->families[key % FAMILIES_REMEMBERED].key == key;
    return is_known ? loop->families[key % FAMILIES_REMEMBERED].family : AF_INET;
}

static void remember_family(struct loop *loop, uint64_t key, int family)
{
    loop->families[key % FAMILIES_REMEMBERED].key = key;
    loop->families[key % FAMILIES_REMEMBERED].family = family;
}

/* --- kept connections ------------------------------------------------------------------------ */

static struct upstream **bucket_of(struct loop *loop, const char *sandbox_id, int port)
{
    return &loop->idle[key_of(sandbox_id, port) % UPSTREAM_BUCKETS];
}

static void unlink_idle(struct loop *loop, struct upstream *upstream)
{
    struct upstream **slot = bucket_of(loop, upstream->sandbox_id, upstream->port);
    while (*slot && *slot != upstream) {
        slot = &(*slot)->next;
    }
    if (*slot) {
        *slot = upstream->next;
        upstream->next = NULL;
        loop->idle_count--;
        count(&loop->counters.upstream_idle, -1);
    }
}

/* Did the server close it, without our having been told yet? Asked for what cannot be sent twice. */
static bool is_over(const struct upstream *upstream)
{
    char byte;
    return recv(upstream->end.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

static struct upstream *take_idle(struct loop *loop, const struct exchange *exchange)
{
    int64_t oldest_ms = exchange->is_replayable ? 0 : loop->now_ms - IDLE_FOR_UNREPLAYABLE_MS;
    struct upstream **slot = bucket_of(loop, exchange->sandbox_id, exchange->port);
    for (; *slot; slot = &(*slot)->next) {
        struct upstream *upstream = *slot;
        if (upstream->run == exchange->run && upstream->port == exchange->port &&
            upstream->expires_ms > loop->now_ms && upstream->since_ms >= oldest_ms &&
            strcmp(upstream->sandbox_id, exchange->sandbox_id) == 0 &&
            (exchange->is_replayable || !is_over(upstream))) {
            unlink_idle(loop, upstream);
            return upstream;
        }
    }
    return NULL;
}

void upstream_close(struct loop *loop, struct upstream *upstream)
{
    if (upstream->end.fd < 0) {
        return;
    }
    if (upstream->client) {
        upstream->client->upstream = NULL;
        upstream->client = NULL;
    } else {
        unlink_idle(loop, upstream);
    }
    end_close(&upstream->end, &loop->blocks, false);
    count(&loop->counters.upstream_connections, -1);
    upstream->next = loop->dead_upstreams;
    loop->dead_upstreams = upstream;
}

void upstream_put(struct loop *loop, struct client *client, bool keep)
{
    struct upstream *upstream = client->upstream;
    if (!upstream) {
        return;
    }
    const struct end *end = &upstream->end;
    if (!keep || loop->is_draining || end->failed || end->eof || end->hangup ||
        bytes_length(&end->in) > 0 || bytes_length(&end->out) > 0 || loop->idle_count >= IDLE_MAX) {
        upstream_close(loop, upstream);
        return;
    }
    int said_sec = client->exchange->keep_alive_sec;
    int64_t idle_ms =
        said_sec >= 0 && said_sec * 1000 < IDLE_MS + 1000 ? said_sec * 1000 - 1000 : IDLE_MS;
    client->upstream = NULL;
    upstream->client = NULL;
    end_trim(&upstream->end, &loop->blocks);
    upstream->since_ms = loop->now_ms;
    upstream->expires_ms = loop->now_ms + idle_ms;
    struct upstream **bucket = bucket_of(loop, upstream->sandbox_id, upstream->port);
    upstream->next = *bucket;
    *bucket = upstream;
    loop->idle_count++;
    count(&loop->counters.upstream_idle, 1);
}

void upstreams_sweep(struct loop *loop, bool all)
{
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++) {
        struct upstream *next;
        for (struct upstream *upstream = loop->idle[i]; upstream; upstream = next) {
            next = upstream->next;
            if (all || upstream->expires_ms <= loop->now_ms ||
                !directory_alive(loop->shared->directory, upstream->sandbox_id, upstream->run)) {
                upstream_close(loop, upstream);
            }
        }
    }
}

/* --- new connections ------------------------------------------------------------------------- */

void upstream_get(struct loop *loop, struct client *client, bool fresh)
{
    struct exchange *exchange = client->exchange;
    struct upstream *upstream = fresh ? NULL : take_idle(loop, exchange);
    client->since_ms = loop->now_ms;
    if (upstream) {
        upstream->is_reused = true;
        upstream->client = client;
        client->upstream = upstream;
        client->state = CLIENT_EXCHANGE;
        vigil_succeed(loop, client);
        return;
    }
    int family = remembered_family(loop, key_of(exchange->sandbox_id, exchange->port));
    exchange->families_tried = 0;
    errand_join(loop, client, JOB_SOCKETS, exchange->sandbox_id, family, NULL);
}

void upstream_refuse(struct loop *loop, struct client *client, int errnum)
{
    struct error err = {0};
    int port = client->exchange->port;
    count(&loop->counters.upstream_failed, 1);
    if (errnum == ECONNREFUSED) {
        error_set(&err, ERR_PORT_NOT_LISTENING, 0, "nothing listens on port %d of the sandbox",
                  port);
    } else {
        error_set(&err, ERR_UPSTREAM, errnum, "connect to port %d of the sandbox", port);
    }
    answer_error(loop, client, &err);
    client_again(loop, client);
}

/* It did not connect: the other family, then patience where it may help, then the end of it. */
static void try_next(struct loop *loop, struct client *client, int family, int errnum)
{
    struct exchange *exchange = client->exchange;
    if (client->upstream) {
        upstream_close(loop, client->upstream);
    }
    if (++exchange->families_tried < 2 && errnum == ECONNREFUSED) {
        errand_join(loop, client, JOB_SOCKETS, exchange->sandbox_id,
                    family == AF_INET ? AF_INET6 : AF_INET, NULL);
    } else if (errnum != ECONNREFUSED || !vigil_join(loop, client)) {
        upstream_refuse(loop, client, errnum);
    }
}

void upstream_miss(struct loop *loop, struct client *client, int family)
{
    try_next(loop, client, family, ECONNREFUSED);
}

static struct upstream *adopt(struct loop *loop, struct client *client, int fd, int family)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    if (!upstream) {
        close_fd(fd);
        return NULL;
    }
    const struct exchange *exchange = client->exchange;
    upstream->end.kind = END_UPSTREAM;
    upstream->end.fd = fd;
    upstream->client = client;
    memcpy(upstream->sandbox_id, exchange->sandbox_id, sizeof(upstream->sandbox_id));
    upstream->run = exchange->run;
    upstream->port = exchange->port;
    upstream->family = family;
    upstream->since_ms = loop->now_ms;
    client->upstream = upstream;
    count(&loop->counters.upstream_connections, 1);
    return upstream;
}

static int start_connecting(int fd, int family, const char *address, int port)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is_ipv4 = family == AF_INET;
    if (inet_pton(family, address, is_ipv4 ? (void *)&ipv4.sin_addr : (void *)&ipv6.sin6_addr) !=
        1) {
        errno = EINVAL;
        return -1;
    }
    return is_ipv4 ? connect(fd, (struct sockaddr *)&ipv4, sizeof(ipv4))
                   : connect(fd, (struct sockaddr *)&ipv6, sizeof(ipv6));
}

static void connected(struct loop *loop, struct client *client)
{
    struct upstream *upstream = client->upstream;
    upstream->is_connecting = false;
    upstream->end.writable = true;
    remember_family(loop, key_of(upstream->sandbox_id, upstream->port), upstream->family);
    client->state = CLIENT_EXCHANGE;
    client->since_ms = loop->now_ms;
    vigil_succeed(loop, client);
    client_run(loop, client);
}

void upstream_connect(struct loop *loop, struct client *client, int fd, int family,
                      const char *address)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct upstream *upstream = adopt(loop, client, fd, family);
    if (!upstream) {
        upstream_refuse(loop, client, ENOMEM);
        return;
    }
    int failed = start_connecting(fd, family, address, upstream->port);
    int errnum = failed ? errno : 0;
    if (errnum != 0 && errnum != EINPROGRESS) {
        try_next(loop, client, family, errnum);
        return;
    }
    upstream->is_connecting = errnum == EINPROGRESS;
    if (loop_add(loop, &upstream->end)) {
        try_next(loop, client, family, errno);
    } else if (!upstream->is_connecting) {
        connected(loop, client);
    }
}

void upstream_event(struct loop *loop, struct upstream *upstream)
{
    struct client *client = upstream->client;
    if (!client) {
        /* Idle, and something happened to it: closed by the server, or it speaks out of turn. */
        upstream_close(loop, upstream);
        return;
    }
    if (!upstream->is_connecting) {
        client_run(loop, client);
        return;
    }
    int errnum = 0;
    socklen_t size = sizeof(errnum);
    if (getsockopt(upstream->end.fd, SOL_SOCKET, SO_ERROR, &errnum, &size) != 0) {
        errnum = errno;
    }
    if (errnum != 0) {
        try_next(loop, client, upstream->family, errnum);
    } else if (upstream->end.writable) {
        connected(loop, client);
    }
}
