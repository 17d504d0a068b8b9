#include "base/clock.h"
#include "http/connections_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LINGER_MS = 2000 };

static void address_of(const struct sockaddr *address, struct in6_addr *ret_address)
{
    *ret_address = (struct in6_addr){0};
    if (address->sa_family == AF_INET6) {
        *ret_address = ((const struct sockaddr_in6 *)address)->sin6_addr;
    } else if (address->sa_family == AF_INET) {
        ret_address->s6_addr[10] = ret_address->s6_addr[11] = 0xff;
        memcpy(ret_address->s6_addr + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
}

struct connections *connections_start(int64_t max_count, int64_t client_timeout_ms,
                                      struct error *err)
{
    struct connections *connections = calloc(1, sizeof(*connections));
    if (!connections) {
        error_set(err, ERR_INTERNAL, 0, "out of memory");
        return NULL;
    }
    connections->max_count = max_count;
    connections->max_per_address = max_count / 2;
    connections->client_timeout_ms = client_timeout_ms;
    pthread_mutex_init(&connections->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&connections->stop_wanted, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&connections->watcher, NULL, slow_clients_watch, connections);
    if (failed) {
        error_set(err, ERR_INTERNAL, failed, "start the watcher of slow clients");
        free(connections);
        return NULL;
    }
    return connections;
}

struct connections *connections_stop(struct connections *connections)
{
    if (!connections) {
        return NULL;
    }
    pthread_mutex_lock(&connections->mutex);
    connections->stopping = true;
    pthread_cond_signal(&connections->stop_wanted);
    pthread_mutex_unlock(&connections->mutex);
    pthread_join(connections->watcher, NULL);
    pthread_cond_destroy(&connections->stop_wanted);
    pthread_mutex_destroy(&connections->mutex);
    free(connections);
    return NULL;
}

bool connections_admit(struct connections *connections, const struct sockaddr *address)
{
    struct in6_addr wanted;
    address_of(address, &wanted);
    pthread_mutex_lock(&connections->mutex);
    bool admit = connections->count < connections->max_count;
    /* Below its share nobody needs to be counted. */
    if (admit && connections->count >= connections->max_per_address) {
        int64_t same = 0;
        for (struct connection *c = connections->first; c; c = c->next) {
            same += memcmp(&c->address, &wanted, sizeof(wanted)) == 0;
        }
        admit = same < connections->max_per_address;
    }
    pthread_mutex_unlock(&connections->mutex);
    connections->refused_total += !admit;
    return admit;
}

struct connection *connections_add(struct connections *connections, int fd,
                                   const struct sockaddr *address)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        return NULL;
    }
    connection->fd = fd;
    connection->seen_ms = clock_monotonic_ms();
    address_of(address, &connection->address);
    pthread_mutex_lock(&connections->mutex);
    connection->next = connections->first;
    if (connection->next) {
        connection->next->previous = connection;
    }
    connections->first = connection;
    connections->count++;
    pthread_mutex_unlock(&connections->mutex);
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->mutex);
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        connections->first = connection->next;
    }
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    connections->count--;
    pthread_mutex_unlock(&connections->mutex);
    free(connection);
}

void connections_cut_all(struct connections *connections)
{
    pthread_mutex_lock(&connections->mutex);
    for (struct connection *c = connections->first; c; c = c->next) {
        shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&connections->mutex);
}

void connection_set_phase(struct connection *connection, enum connection_phase phase)
{
    atomic_store_explicit(&connection->phase, phase, memory_order_relaxed);
    atomic_fetch_add_explicit(&connection->turn, 1, memory_order_release);
}

void connections_count(struct connections *connections, struct connection_counts *ret_counts)
{
    pthread_mutex_lock(&connections->mutex);
    ret_counts->open = connections->count;
    pthread_mutex_unlock(&connections->mutex);
    ret_counts->refused_total = connections->refused_total;
    ret_counts->slow_cut_total = connections->slow_cut_total;
}

void connection_linger(struct connection *connection)
{
    int64_t end_ms = clock_monotonic_ms() + LINGER_MS;
    char dropped[16 * 1024];
    connection_set_phase(connection, CONNECTION_BUSY);
    shutdown(connection->fd, SHUT_WR);
    for (;;) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        struct pollfd ready = {.fd = connection->fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0) {
            return;
        }
        ssize_t got = recv(connection->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return;
        }
    }
}
