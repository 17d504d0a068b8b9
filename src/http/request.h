/* One request on its way through the server: what the files of http/ share of it. */
#ifndef ATOLL_HTTP_REQUEST_H
#define ATOLL_HTTP_REQUEST_H

#include "base/buffer.h"
#include "base/ids.h"
#include "http/connection.h"
#include "http/http.h"
#include "http/ratelimit.h"
#include "http/router.h"
#include "http/upgrade.h"

#include <microhttpd.h>
#include <stdarg.h>

enum {
    URI_MAX = 16 * 1024,      /* PATH_MAX bytes, all percent-encoded, and some */
    HEAD_MAX = 24 * 1024,     /* request line and headers together */
    HEADERS_MAX = 100,        /* header fields */
    QUERY_ARGUMENTS_MAX = 64,
    BODY_IGNORED_MAX = 64 * 1024, /* body of a request that needs none, or that failed already */
};

struct http_server {
    const struct settings *settings;
    struct store *store;
    void *application;
    struct router *router;
    struct ratelimit *limit;
    struct tickets *tickets;
    struct connections *connections;
    struct MHD_Daemon *daemon;
    int listen_fd;
    int ending_fd; /* an eventfd: readable from the beginning of the end */
    _Atomic bool stopping;

    pthread_mutex_t mutex;
    pthread_cond_t request_ended; /* running reached 0 */
    int64_t running;

    pthread_mutex_t claim_mutex; /* held while a claim is asked for or ended */
    pthread_cond_t claim_ended;

    _Atomic int64_t requests_total, responses_by_class[6], rate_limited_total, auth_failed_total;
    _Atomic int64_t latency_counts[16], latency_sum_us;
};

struct query_argument {
    const char *name, *value;
};

struct reply_header {
    struct reply_header *next;
    char *value;
    char name[];
};

struct request {
    struct http_server *server;
    struct connection *connection;
    struct MHD_Connection *mhd;
    char id[ID_SIZE];
    char method[16];
    struct route_match match;
    struct principal principal;
    bool is_authenticated;

    int64_t started_us;
    int64_t content_length; /* -1: chunked */
    bool expects_continue, has_bad_target, is_http_1_1;

    char *query_text; /* what queries point into */
    struct query_argument queries[QUERY_ARGUMENTS_MAX];
    size_t query_count;

    struct error failure;   /* found before the handler; answered when the body has passed */
    int64_t retry_after_ms; /* of the reply; 0: the code's default */
    int64_t limit_bytes;    /* what ERR_TOO_LARGE names; 0: nothing */
    int64_t body_seen;
    bool body_unread;       /* the reply goes out before the body came in: linger */
    struct buffer body;
    json_t *json;

    void *state;
    void (*destroy_state)(void *state);

    struct respond_source source; /* of a reply made on the go */
    struct reply_header *headers;
    void (*run_websocket)(struct request *request, struct websocket *websocket, int fd);
    int64_t answered_us; /* when it became a WebSocket; 0: it did not */
    int status; /* 0: not answered */
    int64_t reply_bytes;

    const char *claim_key; /* Idempotency-Key that this request holds, or NULL */
    char claim_route[512];
};

/* --- request.c --- */
struct request *request_new(struct http_server *server, struct MHD_Connection *mhd,
                            const char *method);
void request_free(struct request *request);

/* Decodes the query arguments. */
int request_take_query(struct request *request, struct error *err);

/* --- framing.c: refuses heads that two parsers could read differently; fills content_length --- */

/* What libmicrohttpd is to know the request by until there is one: framing_bad_target or NULL. Called
 * with the raw request target. */
void *framing_check_target(void *context, const char *target, struct MHD_Connection *mhd);
extern char framing_bad_target[1];

int framing_check(struct request *request, const char *method, const char *path,
                  const char *version, struct error *err);

/* --- auth.c --- */
int auth_check(struct request *request, struct error *err);

/* --- body.c --- */
int body_begin(struct request *request, struct error *err);
int body_data(struct request *request, const char *bytes, size_t length, struct error *err);
int body_end(struct request *request, struct error *err);

/* --- idempotency.c --- */

/* 0: run the handler; 1: the request has been answered from the first one's reply; -1: err. */
int idempotency_begin(struct request *request, struct error *err);
/* The reply of a request that holds a claim; text may be NULL (not JSON: cannot be replayed). */
void idempotency_end(struct request *request, int status, const char *text);

/* --- respond.c --- */

/* Queues the answer, adding the headers. Takes response; NULL: memory is out. */
void respond_queue(struct request *request, int status, struct MHD_Response *response);

/* The error object's text; the caller's to free(). */
char *error_text(const struct request *request, const struct error *err, json_t *details);
int64_t error_retry_after_ms(const struct request *request, const struct error *err);

/* Answers on the socket itself, for an error in the middle of a body, where libmicrohttpd cannot. The
 * connection must be closed afterwards. */
void respond_mid_body(struct request *request, const struct error *err);

/* --- library_errors.c --- */

/* What this thread works for from now on; request NULL: its head is on the way. */
void library_errors_follow(struct connection *connection, struct request *request);

/* libmicrohttpd's logger. */
void library_errors_log(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* --- dispatch.c: libmicrohttpd's callbacks --- */
enum MHD_Result dispatch(void *server, struct MHD_Connection *mhd, const char *url,
                         const char *method, const char *version, const char *upload_data,
                         size_t *upload_data_size, void **request);
void dispatch_completed(void *context, struct MHD_Connection *mhd, void **slot,
                        enum MHD_RequestTerminationCode how);

#endif
