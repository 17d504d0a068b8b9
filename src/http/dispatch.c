/* The life of a request: head, body, handler, end. libmicrohttpd calls in, on the connection's thread. */
#include "http/request.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/cors.h"

#include <string.h>
#include <strings.h>

const int64_t http_latency_bounds_us[15] = {100,    250,    500,     1000,    2500,
                                            5000,   10000,  25000,   50000,   100000,
                                            250000, 500000, 1000000, 5000000, 30000000};

/* The path of a target in absolute form, which servers must accept. */
static const char *path_of(const char *url)
{
    static const char scheme[] = "http://";
    if (strncasecmp(url, scheme, strlen(scheme)) != 0) {
        return url;
    }
    const char *path = strchr(url + strlen(scheme), '/');
    return path ? path : "/";
}

static void set_log_context(const struct request *request)
{
    const char *id = request_param(request, "id");
    log_context(request->id, id && id_valid("sbx_", id) ? id : NULL);
}

static int route_and_admit(struct request *request, const char *url, struct error *err)
{
    if (request->server->stopping) {
        return error_set(err, ERR_SHUTTING_DOWN, 0, "the service is stopping");
    }
    if (router_find(request->server->router, request->method, path_of(url), &request->match, err)) {
        return -1;
    }
    set_log_context(request);
    if (request_take_query(request, err) || auth_check(request, err)) {
        return -1;
    }
    return body_begin(request, err);
}

/* Can the rest of the body be read and dropped, so that the connection lives on? */
static bool is_worth_reading(const struct request *request)
{
    int64_t left = request->content_length - request->body_seen;
    return request->content_length >= 0 && left <= BODY_IGNORED_MAX &&
           !(request->expects_continue && left > 0);
}

static bool is_options(const struct request *request)
{
    return strcmp(request->method, "OPTIONS") == 0 && request->match.allow[0];
}

static void answer_failure(struct request *request)
{
    if (request->match.allow[0] && request->failure.code == ERR_METHOD) {
        respond_header(request, "Allow", request->match.allow);
    }
    if (is_options(request)) {
        cors_answer_preflight(request);
        respond_bytes(request, 204, "", "", 0);
        return;
    }
    respond_error(request, &request->failure);
}

static enum MHD_Result take_head(struct request *request, const char *url, const char *method,
                                 const char *version)
{
    struct http_server *server = request->server;
    pthread_mutex_lock(&server->mutex);
    server->running++;
    pthread_mutex_unlock(&server->mutex);
    log_context(request->id, NULL);

    struct error *err = &request->failure;
    request->is_http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    bool is_broken = framing_check(request, method, url, version, err);
    if (!is_broken) {
        route_and_admit(request, url, err);
    }
    if (err->code != ERR_NONE && (is_broken || !is_worth_reading(request))) {
        request->body_unread = true;
        answer_failure(request);
        connection_set_phase(request->connection, CONNECTION_REPLY);
        return MHD_YES;
    }
    const struct route *route = request->match.route;
    request->connection->patient = route && (route->flags & ROUTE_SLOW_BODY);
    connection_set_phase(request->connection, CONNECTION_BODY);
    return MHD_YES;
}

static enum MHD_Result take_body(struct request *request, const char *bytes, size_t *length)
{
    struct connection *connection = request->connection;
    struct error *err = &request->failure;
    connection->body_bytes += (int64_t)*length;
    if (err->code != ERR_NONE) {
        request->body_seen += (int64_t)*length;
    } else {
        connection->in_callback = true;
        int failed = body_data(request, bytes, *length, err);
        connection->in_callback = false;
        if (failed && !is_worth_reading(request)) {
            respond_mid_body(request, err);
            return MHD_NO;
        }
    }
    *length = 0;
    return MHD_YES;
}

static void run_handler(struct request *request)
{
    struct error *err = &request->failure;
    if (err->code == ERR_NONE && body_end(request, err) == 0) {
        int replayed = idempotency_begin(request, err);
        if (replayed == 0) {
            request->match.route->handler(request);
        }
        if (replayed >= 0) {
            return;
        }
    }
    if (!upgrade_refuse(request, err)) {
        answer_failure(request);
    }
}

static enum MHD_Result take_end(struct request *request)
{
    connection_set_phase(request->connection, CONNECTION_BUSY);
    run_handler(request);
    if (request->status == 0) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, 0, "the handler gave no answer");
        respond_error(request, &err);
    }
    connection_set_phase(request->connection, CONNECTION_REPLY);
    return MHD_YES;
}

enum MHD_Result dispatch(void *server, struct MHD_Connection *mhd, const char *url,
                         const char *method, const char *version, const char *upload_data,
                         size_t *upload_data_size, void **request)
{
    bool has_bad_target = *request == framing_bad_target;
    if (!*request || has_bad_target) {
        struct request *begun = *request = request_new(server, mhd, method);
        if (!begun) {
            return MHD_NO;
        }
        begun->has_bad_target = has_bad_target;
        library_errors_follow(begun->connection, begun);
        return take_head(begun, url, method, version);
    }
    if (*upload_data_size > 0) {
        return take_body(*request, upload_data, upload_data_size);
    }
    return take_end(*request);
}

static void count(struct http_server *server, const struct request *request, int64_t took_us)
{
    size_t bucket = 0;
    while (bucket < 15 && took_us > http_latency_bounds_us[bucket]) {
        bucket++;
    }
    int class = request->status / 100;
    server->requests_total++;
    server->responses_by_class[class >= 1 && class <= 5 ? class : 0]++;
    server->latency_counts[bucket]++;
    server->latency_sum_us += took_us;
}

void dispatch_completed(void *context, struct MHD_Connection *mhd, void **slot,
                        enum MHD_RequestTerminationCode how)
{
    (void)mhd;
    struct http_server *server = context;
    struct request *request = *slot;
    *slot = NULL;
    if (!request || (char *)request == framing_bad_target) {
        return;
    }
    int64_t answered_us = request->answered_us ? request->answered_us : clock_monotonic_us();
    int64_t took_us = answered_us - request->started_us;
    count(server, request, took_us);
    log_info("http.request", "method=%s route=%s status=%d ms=%.1f bytes=%lld%s", request->method,
             request->match.route ? request->match.route->pattern : "-", request->status,
             (double)took_us / 1000, (long long)request->reply_bytes,
             how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : " cut=1");
    idempotency_end(request, 0, NULL);
    if (request->body_unread) {
        connection_linger(request->connection);
    }
    connection_set_phase(request->connection, CONNECTION_HEAD);
    library_errors_follow(NULL, NULL);
    request_free(request);
    log_context(NULL, NULL);

    pthread_mutex_lock(&server->mutex);
    if (--server->running == 0) {
        pthread_cond_broadcast(&server->request_ended);
    }
    pthread_mutex_unlock(&server->mutex);
}
