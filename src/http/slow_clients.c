/*
 * Slow clients: a thread that looks at all connections twice a second and ends those that make us wait.
 * When it is the client's turn, it has client_timeout_ms to send a request's head, and has to move a body
 * or a reply on by a KiB a second over that span. Waiting for our own handlers is nobody's fault.
 */
#include "base/clock.h"
#include "base/log.h"
#include "http/connections_private.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

enum { TICK_MS = 500, MIN_BYTES_PER_SECOND = 1024 };

static struct tcp_info tcp_info_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return (struct tcp_info){0};
    }
    return info;
}

/* Bytes that the client has moved in this phase, from any origin. */
static int64_t progress_of(const struct connection *connection, enum connection_phase phase)
{
    switch (phase) {
    case CONNECTION_HEAD:
        return (int64_t)tcp_info_of(connection->fd).tcpi_bytes_received;
    case CONNECTION_BODY:
        return connection->body_bytes;
    case CONNECTION_REPLY:
        return (int64_t)tcp_info_of(connection->fd).tcpi_bytes_acked;
    case CONNECTION_BUSY:
        break;
    }
    return 0;
}

static bool has_unread_reply(int fd)
{
    int waiting = 0;
    return ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0;
}

/* A client that still reads the last reply need not send its next request's head yet. */
static enum connection_phase phase_of(const struct connection *connection)
{
    enum connection_phase phase = connection->phase;
    return phase == CONNECTION_HEAD && has_unread_reply(connection->fd) ? CONNECTION_REPLY : phase;
}

/* Its time is up: did it move? */
static bool is_slow(const struct connections *connections, const struct connection *connection,
                    enum connection_phase phase)
{
    int64_t enough = connections->client_timeout_ms * MIN_BYTES_PER_SECOND / 1000;
    int64_t moved = progress_of(connection, phase) - connection->seen_bytes;
    switch (phase) {
    case CONNECTION_HEAD:
        return true;
    case CONNECTION_BODY:
        return !connection->patient && moved < enough;
    case CONNECTION_REPLY:
        return moved < enough && has_unread_reply(connection->fd);
    case CONNECTION_BUSY:
        break;
    }
    return false;
}

static void cut(struct connections *connections, const struct connection *connection,
                enum connection_phase phase, int64_t now_ms)
{
    /* A kept-alive connection that nobody used is closed, but no offence. */
    bool is_idle =
        phase == CONNECTION_HEAD && progress_of(connection, phase) == connection->seen_bytes;
    connections->slow_cut_total += !is_idle;
    log_debug("http.connection_cut", "phase=%d idle=%d waited_ms=%lld", (int)phase, is_idle,
              (long long)(now_ms - connection->seen_ms));
    if (!is_idle) {
        /* What the client did not read would otherwise stay in the kernel for as long as it likes. */
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    shutdown(connection->fd, SHUT_RDWR);
}

static void look_at(struct connections *connections, struct connection *connection, int64_t now_ms)
{
    uint64_t turn = atomic_load_explicit(&connection->turn, memory_order_acquire);
    bool same = turn == connection->seen_turn && !connection->in_callback;
    if (same && connection->phase != CONNECTION_BUSY &&
        now_ms - connection->seen_ms < connections->client_timeout_ms) {
        return;
    }
    enum connection_phase phase = phase_of(connection);
    if (same && phase == connection->seen_phase && is_slow(connections, connection, phase)) {
        cut(connections, connection, phase, now_ms);
    }
    connection->seen_turn = turn;
    connection->seen_phase = phase;
    connection->seen_ms = now_ms;
    connection->seen_bytes = progress_of(connection, phase);
}

void *slow_clients_watch(void *argument)
{
    struct connections *connections = argument;
    pthread_mutex_lock(&connections->mutex);
    while (!connections->stopping) {
        int64_t now_ms = clock_monotonic_ms();
        for (struct connection *c = connections->first; c; c = c->next) {
            look_at(connections, c, now_ms);
        }
        int64_t next_ms = now_ms + TICK_MS;
        struct timespec next = {next_ms / 1000, (next_ms % 1000) * 1000000};
        pthread_cond_timedwait(&connections->stop_wanted, &connections->mutex, &next);
    }
    pthread_mutex_unlock(&connections->mutex);
    return NULL;
}
