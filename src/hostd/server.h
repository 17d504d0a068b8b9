/* atoll-host's socket: one request at a time on a connection, connections side by side. */
#ifndef ATOLL_HOSTD_SERVER_H
#define ATOLL_HOSTD_SERVER_H

#include "base/error.h"
#include "base/settings.h"
#include "hostd/engines.h"
#include "linux/event_loop.h"

struct connection;

struct server {
    const struct settings *settings;
    struct event_loop *loop;
    struct engines *engines;
    const struct engine_context *context;
    struct event_source listener;
    struct connection *connections;
};

/* Listens on STATE/run/host.sock, for root and the user of atolld. engines and context are
 * set. 0 or -1 with err. */
int server_open(struct server *server, struct error *err);

/* Tells every watching connection. */
void server_report_end(struct server *server, const struct engine_ended *ended);

/* Stops listening and closes every connection; an unfinished request's reply is dropped. */
void server_close(struct server *server);

#endif
