/* The open connections: who holds them, what each is waiting for, and cutting those that only wait. */
#ifndef ATOLL_HTTP_CONNECTION_H
#define ATOLL_HTTP_CONNECTION_H

#include "base/error.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Whose turn it is. */
enum connection_phase {
    CONNECTION_HEAD,  /* the client's: to send a request's head */
    CONNECTION_BODY,  /* the client's: to send the body */
    CONNECTION_BUSY,  /* ours: a handler runs */
    CONNECTION_REPLY, /* the client's: to read the reply */
};

struct connection {
    struct connection *next, *previous; /* under the table's mutex */
    struct in6_addr address;            /* IPv4 is mapped */
    int fd;

    /* Written by the connection's thread, read by the watcher's. */
    _Atomic enum connection_phase phase;
    _Atomic uint64_t turn;      /* counts changes of phase */
    _Atomic bool in_callback;   /* ours within BODY and REPLY: nobody can blame the client now */
    _Atomic bool patient;       /* this request's body may trickle */
    _Atomic int64_t body_bytes; /* of bodies, so far */

    /* The watcher's own. */
    uint64_t seen_turn;
    enum connection_phase seen_phase;
    int64_t seen_ms, seen_bytes;
};

struct connections;

/* client_timeout_ms: see http/slow_clients.c. Starts the watcher. NULL with err. */
struct connections *connections_start(int64_t max_count, int64_t client_timeout_ms,
                                      struct error *err);

/* Ends the watcher. All connections must be gone. Accepts NULL; returns NULL. */
struct connections *connections_stop(struct connections *connections);

/* May this address open another one? (libmicrohttpd's accept policy.) Counts refusals. */
bool connections_admit(struct connections *connections, const struct sockaddr *address);

struct connection *connections_add(struct connections *connections, int fd,
                                   const struct sockaddr *address);
void connections_remove(struct connections *connections, struct connection *connection);

/* Ends both directions of every connection; their threads notice. */
void connections_cut_all(struct connections *connections);

void connection_set_phase(struct connection *connection, enum connection_phase phase);

struct connection_counts {
    int64_t open, refused_total, slow_cut_total;
};
void connections_count(struct connections *connections, struct connection_counts *ret_counts);

/* Reads and drops what the client still sends, until it ends or a short while has passed, so that the
 * reply that was just sent is not lost to a reset. */
void connection_linger(struct connection *connection);

#endif
