/* The server as a whole: start, stop, counters. */
#include "http/request.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/listen.h"
#include "base/log.h"
#include "http/tickets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum {
    /* Half of it is the first read buffer, which is what bounds a head and sizes a body's pieces. */
    CONNECTION_MEMORY = 64 * 1024,
    THREAD_STACK = 512 * 1024,
    CUT_WAIT_MS = 2000, /* for handlers to notice that their client was cut off */
};

static enum MHD_Result admit(void *server, const struct sockaddr *address, socklen_t size)
{
    (void)size;
    return connections_admit(((struct http_server *)server)->connections, address) ? MHD_YES
                                                                                   : MHD_NO;
}

static void connection_changed(void *context, struct MHD_Connection *mhd, void **slot,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*slot) {
            connections_remove(server->connections, *slot);
            *slot = NULL;
        }
        return;
    }
    const union MHD_ConnectionInfo *socket =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *slot = connections_add(server->connections, socket->connect_fd, address->client_addr);
}

/* Paths and queries are decoded by the router, once and strictly. */
static size_t keep_escapes(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context, (void)mhd;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http_server *server)
{
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | MHD_ALLOW_UPGRADE;
    return MHD_start_daemon(
        flags, 0, admit, server, dispatch, server, MHD_OPTION_EXTERNAL_LOGGER, library_errors_log,
        NULL, MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_URI_LOG_CALLBACK,
        framing_check_target, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->settings->connections + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        (size_t)CONNECTION_MEMORY / 4, MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, server, MHD_OPTION_NOTIFY_COMPLETED, dispatch_completed, server,
        MHD_OPTION_END);
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Also of a half-started one. */
static struct http_server *destroy(struct http_server *server)
{
    if (server->daemon) {
        MHD_stop_daemon(server->daemon); /* waits for the connections' threads */
    }
    close_fd(server->listen_fd);
    close_fd(server->ending_fd);
    connections_stop(server->connections);
    ratelimit_free(server->limit);
    tickets_free(server->tickets);
    router_free(server->router);
    pthread_cond_destroy(&server->request_ended);
    pthread_cond_destroy(&server->claim_ended);
    pthread_mutex_destroy(&server->mutex);
    pthread_mutex_destroy(&server->claim_mutex);
    free(server);
    return NULL;
}

static int start(struct http_server *server, const struct route *routes, struct error *err)
{
    const struct settings *settings = server->settings;
    server->router = router_new(routes);
    server->limit = ratelimit_new(settings->rate_limit);
    server->tickets = tickets_new();
    if (!server->router || !server->limit || !server->tickets) {
        return error_set(err, ERR_INTERNAL, 0, "make the table of routes and the rate limits");
    }
    server->connections =
        connections_start(settings->connections, settings->client_timeout_sec * 1000, err);
    if (!server->connections) {
        return -1;
    }
    server->listen_fd = listen_tcp(settings->listen, "listen", err);
    if (server->listen_fd < 0) {
        return -1;
    }
    server->ending_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->ending_fd < 0) {
        return error_set(err, ERR_INTERNAL, errno, "make an eventfd");
    }
    server->daemon = start_daemon(server);
    if (!server->daemon) {
        return error_set(err, ERR_INTERNAL, errno, "start the HTTP server");
    }
    return 0;
}

struct http_server *http_server_start(const struct settings *settings, struct store *store,
                                      const struct route *routes, void *application,
                                      struct error *err)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (!server) {
        error_set(err, ERR_INTERNAL, 0, "out of memory");
        return NULL;
    }
    server->settings = settings;
    server->store = store;
    server->application = application;
    server->listen_fd = server->ending_fd = -1;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_mutex_init(&server->claim_mutex, NULL);
    init_condition(&server->request_ended);
    init_condition(&server->claim_ended);
    json_object_seed(0); /* now, while one thread runs */
    return start(server, routes, err) ? destroy(server) : server;
}

/* Waits until no request runs. */
static void wait_for_requests(struct http_server *server, int64_t wait_ms)
{
    int64_t end_ms = clock_monotonic_ms() + wait_ms;
    struct timespec end = {end_ms / 1000, (end_ms % 1000) * 1000000};
    pthread_mutex_lock(&server->mutex);
    int late = 0;
    while (server->running > 0 && !late) {
        late = pthread_cond_timedwait(&server->request_ended, &server->mutex, &end);
    }
    pthread_mutex_unlock(&server->mutex);
}

struct http_server *http_server_stop(struct http_server *server, int64_t grace_ms)
{
    if (!server) {
        return NULL;
    }
    server->stopping = true;
    eventfd_write(server->ending_fd, 1);
    MHD_quiesce_daemon(server->daemon);
    wait_for_requests(server, grace_ms);
    connections_cut_all(server->connections);
    wait_for_requests(server, CUT_WAIT_MS);
    return destroy(server);
}

int http_server_port(const struct http_server *server)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    getsockname(server->listen_fd, (struct sockaddr *)&address, &size);
    /* The port lies at the same place in both families. */
    return ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

void http_server_counters(struct http_server *server, struct http_counters *ret_counters)
{
    struct connection_counts connections;
    connections_count(server->connections, &connections);
    *ret_counters = (struct http_counters){
        .requests_total = server->requests_total,
        .rate_limited_total = server->rate_limited_total,
        .auth_failed_total = server->auth_failed_total,
        .connections = connections.open,
        .connections_refused_total = connections.refused_total,
        .slow_clients_cut_total = connections.slow_cut_total,
        .latency_sum_us = server->latency_sum_us,
    };
    for (int i = 0; i < 6; i++) {
        ret_counters->responses_by_class[i] = server->responses_by_class[i];
    }
    for (int i = 0; i < 16; i++) {
        ret_counters->latency_counts[i] = server->latency_counts[i];
    }
}
