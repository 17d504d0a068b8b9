/* Inside hostd/: one connection to atoll-host's socket, and what is done with a request on it. */
#ifndef ATOLL_HOSTD_CONNECTION_H
#define ATOLL_HOSTD_CONNECTION_H

#include "hostd/engines.h"
#include "hostd/reply.h"
#include "hostd/request.h"
#include "hostd/server.h"

struct connection {
    struct server *server;
    struct event_source source;
    struct engine_entry *entry; /* of the call in progress */
    struct engine_call call;
    enum host_operation operation; /* of the call in progress */
    char id[ID_SIZE];
    bool busy;     /* a call is in progress: keeps the struct when the client goes */
    bool watching;
    struct connection *next;
};

/* connection.c */
/* Frees it, too: at once, or, when a call is in progress, once that is done. */
void connection_close(struct connection *connection);
/* A reply in memory that all connections share: it is sent before the next one is begun. */
struct fields_writer connection_reply(const struct error *error);
/* As connection_reply, without a beginning: for what is told unasked. */
struct fields_writer connection_packet(void);
/* A client that does not read what it is sent loses its connection: it may be gone when this returns. */
void connection_send(struct connection *connection, const struct fields_writer *writer);
/* With descriptors, which stay the caller's. */
void connection_send_descriptors(struct connection *connection, const struct fields_writer *writer,
                                 const int *fds, int count);

/* call.c: what an engine may take time for; the reply follows when it is done. */
void connection_call(struct connection *connection, const struct request *request);

/* answer.c: carries a request out. */
void connection_answer(struct connection *connection, const struct request *request);

static inline struct engine_probe engine_entry_probe(const struct engine_entry *entry)
{
    struct engine_probe probe = {0};
    entry->operations->probe(entry->engine, &probe);
    return probe;
}

#endif
