/* The table of connections, shared by connections.c and slow_clients.c. */
#ifndef ATOLL_HTTP_CONNECTIONS_PRIVATE_H
#define ATOLL_HTTP_CONNECTIONS_PRIVATE_H

#include "http/connection.h"

struct connections {
    int64_t max_count, max_per_address, client_timeout_ms;
    pthread_mutex_t mutex; /* the list, and that a listed descriptor is open */
    pthread_cond_t stop_wanted;
    bool stopping;
    struct connection *first;
    int64_t count;
    _Atomic int64_t refused_total, slow_cut_total;
    pthread_t watcher;
};

/* Thread main (http/slow_clients.c); argument: a struct connections. */
void *slow_clients_watch(void *argument);

#endif
