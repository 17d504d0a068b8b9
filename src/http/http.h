/*
 * HTTP server glue: one thread a connection (libmicrohttpd), a table of routes, authentication, limits,
 * request ids, one error shape. Handlers run in the connection's thread and may block.
 */
#ifndef ATOLL_HTTP_HTTP_H
#define ATOLL_HTTP_HTTP_H

#include "base/error.h"
#include "base/settings.h"
#include "store/principal.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct request;
struct http_server;

enum body_kind {
    BODY_NONE,   /* a body is read and ignored up to 64 KiB */
    BODY_JSON,   /* one JSON object of at most settings.body_max_kb (or route.body_max); absent or empty
                    reads as {}; duplicate keys, bad UTF-8, NUL and trailing bytes are refused */
    BODY_STREAM, /* the route's body_begin / body_data see it as it comes */
};

enum route_flags {
    ROUTE_PUBLIC = 1 << 0,         /* no credential needed, no rate limit */
    ROUTE_IDEMPOTENT_KEY = 1 << 1, /* honours Idempotency-Key: a success is stored and replayed */
    ROUTE_SLOW_BODY = 1 << 2,      /* the body may trickle for ever, such as somebody's typing */
    ROUTE_SSE_TICKET = 1 << 3      /* a GET of events, which ?ticket= opens as well as a key */
};

struct route {
    const char *method;  /* "GET" */
    const char *pattern; /* below /api/v1: "/sandboxes/{id}/files/{path...}"; {x...} takes the rest, slashes
                            included. A literal segment wins over a capture. Routes outside of /api/v1
                            begin with "//": "//health" */
    unsigned scope;      /* enum scope bits, all needed */
    enum body_kind body;
    unsigned flags;
    size_t body_max;     /* bytes; 0: the default of the kind */

    /* Answers the request, exactly once, by one of the respond_ functions. */
    void (*handler)(struct request *request);

    /* A credential of the route's own, asked for before an API key is: 1 and who it stands for; 0: there
     * is none; -1: it is not valid. May be NULL. */
    int (*authenticate)(const struct request *request, struct principal *ret_principal,
                        struct error *err);

    /* Of a route that is a WebSocket, otherwise NULL: whoever comes with a handshake and a credential that does not do
     * is told by a close code, since browsers do not show HTTP's status (http/upgrade.h). */
    const char *subprotocol;

    /* BODY_STREAM only. begin runs before any of the body is read: refuse early by returning -1. data
     * runs for each piece; -1 ends the request with err. handler runs after the last piece. */
    int (*body_begin)(struct request *request, struct error *err);
    int (*body_data)(struct request *request, const void *bytes, size_t length, struct error *err);
};

/* --- what a request says (http/request.c); strings are borrowed for the request's life --- */

const struct principal *request_principal(const struct request *request);
const char *request_id(const struct request *request);
const char *request_method(const struct request *request);

/* A capture of the route's pattern, percent-decoded; never NULL for a name that the pattern has. */
const char *request_param(const struct request *request, const char *name);
const char *request_query(const struct request *request, const char *name);  /* NULL when absent */
const char *request_header(const struct request *request, const char *name); /* NULL when absent */

/* Calls visit for each query argument, in order. */
void request_each_query(const struct request *request,
                        void (*visit)(const char *name, const char *value, void *context),
                        void *context);

/* Query integer: fallback when absent; ERR_VALIDATION naming it when malformed or out of range. */
int request_query_int(const struct request *request, const char *name, int64_t min, int64_t max,
                      int64_t fallback, int64_t *ret_value, struct error *err);
/* "true"/"1"/"" → true, "false"/"0" → false, else ERR_VALIDATION. */
int request_query_bool(const struct request *request, const char *name, bool fallback,
                       bool *ret_value, struct error *err);

/* The JSON body (BODY_JSON), borrowed. */
json_t *request_json(const struct request *request);

/* Content-Length, or -1 when chunked. */
int64_t request_content_length(const struct request *request);

/* The client's socket, to notice that it went away (POLLRDHUP). */
int request_client_fd(const struct request *request);

/* Becomes and stays readable when the server begins to end: for handlers that would run on and on. */
int request_ending_fd(const struct request *request);

enum { TICKET_TEXT_SIZE = 64 };

/* Makes a ticket that opens streams (ROUTE_SSE_TICKET) in the name of the request's key, with the scopes that the
 * key has then; for as long as the key is good, but at most lifetime_ms. ERR_RATE_LIMITED. */
int request_make_ticket(const struct request *request, int64_t lifetime_ms, bool single_use,
                        char text[TICKET_TEXT_SIZE], struct error *err);

/* What the application hung on the server (struct api *). */
void *request_application(const struct request *request);
struct http_server *request_server(const struct request *request);

/* State of a handler between body_begin, body_data and handler; destroy runs when the request ends,
 * whether or not a handler ran. */
void request_set_state(struct request *request, void *state, void (*destroy)(void *state));
void *request_state(const struct request *request);

/* The idempotency claim that this request holds (ROUTE_IDEMPOTENT_KEY and an Idempotency-Key header), as
 * store_idempotency_begin knows it; borrowed. false when it holds none. */
bool request_claim(const struct request *request, const char **ret_route, const char **ret_key);

/* Milliseconds (monotonic) when the request's head was complete. */
int64_t request_started_ms(const struct request *request);

/* --- answers (http/respond.c) --- */

/* Adds a header to the answer to come. */
void respond_header(struct request *request, const char *name, const char *value);

/* Takes the reference to body. */
void respond_json(struct request *request, int status, json_t *body);

/* Copies the bytes. */
void respond_bytes(struct request *request, int status, const char *content_type, const void *bytes,
                   size_t length);

/* {"error":{code,message,details:{field?,hint,…},retryable,request_id}} with the code's status, and
 * Retry-After where it helps. Logs at warn (5xx: error). */
void respond_error(struct request *request, const struct error *err);

/* As respond_error with more members of details (takes the reference). */
void respond_error_details(struct request *request, const struct error *err, json_t *details);

/* A body made on the go: read fills at most max bytes; returns how many, 0 at the end, -1 to cut the
 * connection. length: bytes, or -1 when unknown (chunked). destroy runs at the end whatever happened.
 * read may block; it must watch request_client_fd itself when it waits for something else. */
struct respond_source {
    ssize_t (*read)(void *context, char *bytes, size_t max);
    void (*destroy)(void *context);
    void *context;
};
void respond_stream(struct request *request, int status, const char *content_type, int64_t length,
                    struct respond_source source);

/* --- server-sent events (http/sse.c): a source whose events are made by next --- */

struct sse_event {
    const char *name;  /* "stdout" */
    const char *id;    /* or NULL */
    json_t *data;      /* taken; "type": name is added when missing */
};

/* How long a quiet stream may be silent: what next waits at most before it returns 2. */
enum { SSE_KEEPALIVE_MS = 15 * 1000 };

/* next fills *ret_event and returns 1; 0 ends the stream; it may return 2 for "nothing yet", which sends
 * a ": keepalive" comment, with ret_event->id when that is set. At most 1 MiB an event. destroy frees context. */
void respond_sse(struct request *request, int (*next)(void *context, struct sse_event *ret_event),
                 void (*destroy)(void *context), void *context);

/* --- the server (http/server.c) --- */

struct http_counters {
    int64_t requests_total, responses_by_class[6], rate_limited_total, auth_failed_total,
        connections, connections_refused_total, slow_clients_cut_total;
    /* request seconds: histogram buckets of http_latency_bounds_us, the last one unbounded */
    int64_t latency_counts[16];
    int64_t latency_sum_us;
};
extern const int64_t http_latency_bounds_us[15];

/* routes: an array ended by {0}, borrowed. Listens on settings->listen. All borrowed. */
struct http_server *http_server_start(const struct settings *settings, struct store *store,
                                      const struct route *routes, void *application,
                                      struct error *err);
/* Tells request_ending_fd, stops accepting, lets running requests finish for at most grace_ms, then cuts them. Returns NULL. */
struct http_server *http_server_stop(struct http_server *server, int64_t grace_ms);
void http_server_counters(struct http_server *server, struct http_counters *ret_counters);

/* The port that it listens on, which settings->listen may have left to the kernel (":0"). */
int http_server_port(const struct http_server *server);

#endif
