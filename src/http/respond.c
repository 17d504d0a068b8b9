/* Answers, as a whole or as a stream. */
#include "http/request.h"

#include "base/io.h"
#include "base/log.h"
#include "http/cors.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { STREAM_BLOCK_BYTES = 256 * 1024, CHUNK_BLOCK_BYTES = 16 * 1024 };

void respond_header(struct request *request, const char *name, const char *value)
{
    size_t name_size = strlen(name) + 1;
    struct reply_header *header = malloc(sizeof(*header) + name_size);
    if (!header) {
        return;
    }
    memcpy(header->name, name, name_size);
    header->value = strdup(value);
    header->next = request->headers;
    request->headers = header;
}

static bool has_header(const struct request *request, const char *name)
{
    for (const struct reply_header *h = request->headers; h; h = h->next) {
        if (strcmp(h->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_headers(struct request *request, struct MHD_Response *response)
{
    MHD_add_response_header(response, "x-request-id", request->id);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (!has_header(request, "Cache-Control")) {
        MHD_add_response_header(response, "Cache-Control", "no-store");
    }
    if (request->body_unread || request->server->stopping) {
        MHD_add_response_header(response, "Connection", "close");
    }
    cors_add_headers(request, response);
    for (const struct reply_header *h = request->headers; h; h = h->next) {
        if (h->value) {
            MHD_add_response_header(response, h->name, h->value);
        }
    }
}

void respond_queue(struct request *request, int status, struct MHD_Response *response)
{
    assert(request->status == 0);
    request->status = status;
    if (!response) {
        log_error("http.no_memory", "status=%d", status);
        shutdown(request->connection->fd, SHUT_RDWR);
        return;
    }
    add_headers(request, response);
    if (MHD_queue_response(request->mhd, (unsigned)status, response) != MHD_YES) {
        shutdown(request->connection->fd, SHUT_RDWR);
    }
    MHD_destroy_response(response);
}

void respond_json(struct request *request, int status, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (!text) {
        struct error err = {0};
        error_set(&err, ERR_INTERNAL, 0, "the reply could not be written as JSON");
        respond_error(request, &err);
        return;
    }
    idempotency_end(request, status, text);
    size_t length = strlen(text);
    request->reply_bytes = (int64_t)length;
    respond_header(request, "Content-Type", "application/json");
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
    }
    respond_queue(request, status, response);
}

void respond_bytes(struct request *request, int status, const char *content_type, const void *bytes,
                   size_t length)
{
    request->reply_bytes = (int64_t)length;
    if (length > 0) {
        respond_header(request, "Content-Type", content_type);
    }
    respond_queue(
        request, status,
        MHD_create_response_from_buffer(length, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY));
}

int64_t error_retry_after_ms(const struct request *request, const struct error *err)
{
    if (request->retry_after_ms > 0) {
        return request->retry_after_ms;
    }
    if (!error_retryable(err->code)) {
        return 0;
    }
    bool is_slow = err->code == ERR_STARTING || err->code == ERR_HOST_UNAVAILABLE;
    return is_slow ? 2000 : 1000;
}

static const char *hint_of(const struct error *err)
{
    return err->hint[0] ? err->hint : error_default_hint(err->code);
}

/* A JSON string of text that came from anywhere. */
static json_t *safe_string(const char *text)
{
    json_t *string = json_string(text);
    if (string) {
        return string;
    }
    char ascii[sizeof(((struct error *)0)->message)];
    size_t used = 0;
    for (; used < sizeof(ascii) - 1 && text[used]; used++) {
        ascii[used] = (unsigned char)text[used] < 0x80 ? text[used] : '?';
    }
    ascii[used] = '\0';
    return json_string(ascii);
}

char *error_text(const struct request *request, const struct error *err, json_t *details)
{
    if (!details) {
        details = json_object();
    }
    if (err->field[0]) {
        json_object_set_new(details, "field", safe_string(err->field));
    }
    json_object_set_new(details, "hint", safe_string(hint_of(err)));
    if (err->code == ERR_TOO_LARGE && request->limit_bytes > 0) {
        json_object_set_new(details, "limit_bytes", json_integer(request->limit_bytes));
    }
    json_t *body =
        json_pack("{s:{s:s, s:o, s:o, s:b, s:s}}", "error", "code", error_api_code(err->code),
                  "message", safe_string(err->message), "details", details, "retryable",
                  error_retryable(err->code), "request_id", request->id);
    int64_t retry_after_ms = error_retry_after_ms(request, err);
    if (retry_after_ms > 0) {
        json_object_set_new(json_object_get(body, "error"), "retry_after_ms",
                            json_integer(retry_after_ms));
    }
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

static void log_failure(const struct error *err)
{
    int status = error_http_status(err->code);
    log_event(status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "http.error",
              "status=%d code=%s field=%s error=%s", status, error_api_code(err->code), err->field,
              err->message);
}

void respond_error(struct request *request, const struct error *err)
{
    respond_error_details(request, err, NULL);
}

void respond_error_details(struct request *request, const struct error *err, json_t *details)
{
    assert(err->code != ERR_NONE);
    log_failure(err);
    idempotency_end(request, error_http_status(err->code), NULL);
    char *text = error_text(request, err, details);
    int64_t retry_after_ms = error_retry_after_ms(request, err);
    if (retry_after_ms > 0 && !has_header(request, "Retry-After")) {
        char seconds[24];
        snprintf(seconds, sizeof(seconds), "%lld", (long long)(retry_after_ms + 999) / 1000);
        respond_header(request, "Retry-After", seconds);
    }
    if (error_http_status(err->code) == 401) {
        respond_header(request, "WWW-Authenticate", "Bearer realm=\"atoll\"");
    }
    respond_bytes(request, error_http_status(err->code), "application/json", text ? text : "",
                  text ? strlen(text) : 0);
    free(text);
}

void respond_mid_body(struct request *request, const struct error *err)
{
    char *text = error_text(request, err, NULL);
    char *reply = NULL;
    int status = error_http_status(err->code);
    log_failure(err);
    if (text && asprintf(&reply,
                         "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\nConnection: close\r\nCache-Control: no-store\r\n"
                         "X-Content-Type-Options: nosniff\r\nx-request-id: %s\r\n\r\n%s",
                         status, MHD_get_reason_phrase_for((unsigned)status), strlen(text),
                         request->id, text) > 0) {
        /* Small enough for the empty socket buffer: a client that reads nothing loses it. */
        if (send(request->connection->fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            log_debug("http.reply_lost", "status=%d", status);
        }
        free(reply);
    }
    request->status = status;
    request->reply_bytes = text ? (int64_t)strlen(text) : 0;
    request->body_unread = true;
    free(text);
}

static ssize_t stream_read(void *context, uint64_t position, char *bytes, size_t max)
{
    (void)position;
    struct request *request = context;
    request->connection->in_callback = true;
    ssize_t got = request->source.read(request->source.context, bytes, max);
    request->connection->in_callback = false;
    if (got < 0) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    request->reply_bytes += got;
    return got > 0 ? got : MHD_CONTENT_READER_END_OF_STREAM;
}

void respond_stream(struct request *request, int status, const char *content_type, int64_t length,
                    struct respond_source source)
{
    /* The request ends the source itself: libmicrohttpd would do it after the request is gone. */
    request->source = source;
    respond_header(request, "Content-Type", content_type);
    idempotency_end(request, status, NULL);
    respond_queue(
        request, status,
        MHD_create_response_from_callback(length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)length,
                                          length < 0 ? CHUNK_BLOCK_BYTES : STREAM_BLOCK_BYTES,
                                          stream_read, request, NULL));
}
