#include "http/request.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request *request_new(struct http_server *server, struct MHD_Connection *mhd,
                            const char *method)
{
    struct request *request = calloc(1, sizeof(*request));
    if (!request) {
        return NULL;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!info || !info->socket_context) { /* no memory when it was accepted */
        free(request);
        return NULL;
    }
    request->server = server;
    request->connection = info->socket_context;
    request->mhd = mhd;
    request->started_us = clock_monotonic_us();
    id_make("req_", request->id);
    snprintf(request->method, sizeof(request->method), "%s", method);
    return request;
}

void request_free(struct request *request)
{
    if (request->source.destroy) {
        request->source.destroy(request->source.context);
    }
    if (request->destroy_state) {
        request->destroy_state(request->state);
    }
    while (request->headers) {
        struct reply_header *next = request->headers->next;
        free(request->headers->value);
        free(request->headers);
        request->headers = next;
    }
    json_decref(request->json);
    buffer_free(&request->body);
    route_match_clear(&request->match);
    free(request->query_text);
    free(request);
}

struct query_taking {
    struct request *request;
    size_t length; /* of all names and values, each with its NUL */
    size_t count;
    char *next;
    bool malformed;
};

static enum MHD_Result measure_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                        size_t name_length, const char *value, size_t value_length)
{
    (void)kind, (void)name, (void)value;
    struct query_taking *taking = context;
    taking->length += name_length + value_length + 2;
    taking->count++;
    return MHD_YES;
}

static const char *take_text(struct query_taking *taking, const char *raw, size_t length)
{
    char *text = taking->next;
    ssize_t decoded = percent_decode(raw ? raw : "", raw ? length : 0, text);
    if (decoded < 0 || !percent_text_valid(text, (size_t)decoded)) {
        taking->malformed = true;
        return "";
    }
    taking->next += decoded + 1;
    return text;
}

static enum MHD_Result take_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    struct query_taking *taking = context;
    struct request *request = taking->request;
    struct query_argument *argument = &request->queries[request->query_count++];
    argument->name = take_text(taking, name, name_length);
    argument->value = take_text(taking, value, value_length);
    return MHD_YES;
}

int request_take_query(struct request *request, struct error *err)
{
    struct query_taking taking = {.request = request};
    MHD_get_connection_values_n(request->mhd, MHD_GET_ARGUMENT_KIND, measure_argument, &taking);
    if (taking.count == 0) {
        return 0;
    }
    if (taking.count > QUERY_ARGUMENTS_MAX) {
        return error_set_field(err, ERR_BAD_REQUEST, "query",
                               "the query has %zu arguments; at most %d are taken", taking.count,
                               QUERY_ARGUMENTS_MAX);
    }
    request->query_text = taking.next = malloc(taking.length);
    if (!request->query_text) {
        return error_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    MHD_get_connection_values_n(request->mhd, MHD_GET_ARGUMENT_KIND, take_argument, &taking);
    if (taking.malformed) {
        return error_set_field(err, ERR_BAD_REQUEST, "query",
                               "the query has a bad percent-escape, an encoded NUL or bytes that "
                               "are not UTF-8");
    }
    return 0;
}

const struct principal *request_principal(const struct request *request)
{
    return &request->principal;
}

const char *request_id(const struct request *request)
{
    return request->id;
}

const char *request_method(const struct request *request)
{
    return request->method;
}

const char *request_param(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->match.capture_count; i++) {
        if (strcmp(request->match.captures[i].name, name) == 0) {
            return request->match.captures[i].value;
        }
    }
    return NULL;
}

const char *request_query(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->queries[i].name, name) == 0) {
            return request->queries[i].value;
        }
    }
    return NULL;
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

void request_each_query(const struct request *request,
                        void (*visit)(const char *name, const char *value, void *context),
                        void *context)
{
    for (size_t i = 0; i < request->query_count; i++) {
        visit(request->queries[i].name, request->queries[i].value, context);
    }
}

int request_query_int(const struct request *request, const char *name, int64_t min, int64_t max,
                      int64_t fallback, int64_t *ret_value, struct error *err)
{
    const char *text = request_query(request, name);
    if (!text) {
        *ret_value = fallback;
        return 0;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!*text || *end || errno || value < min || value > max || *text == ' ' || *text == '+') {
        return error_set_field(err, ERR_VALIDATION, name,
                               "%s must be a whole number from %lld to %lld", name, (long long)min,
                               (long long)max);
    }
    *ret_value = value;
    return 0;
}

int request_query_bool(const struct request *request, const char *name, bool fallback,
                       bool *ret_value, struct error *err)
{
    const char *text = request_query(request, name);
    if (!text) {
        *ret_value = fallback;
        return 0;
    }
    bool is_true = !*text || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!is_true && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
        return error_set_field(err, ERR_VALIDATION, name, "%s must be true or false", name);
    }
    *ret_value = is_true;
    return 0;
}

json_t *request_json(const struct request *request)
{
    return request->json;
}

int64_t request_content_length(const struct request *request)
{
    return request->content_length;
}

int request_client_fd(const struct request *request)
{
    return request->connection->fd;
}

int request_ending_fd(const struct request *request)
{
    return request->server->ending_fd;
}

void *request_application(const struct request *request)
{
    return request->server->application;
}

struct http_server *request_server(const struct request *request)
{
    return request->server;
}

void request_set_state(struct request *request, void *state, void (*destroy)(void *state))
{
    assert(!request->state);
    request->state = state;
    request->destroy_state = destroy;
}

void *request_state(const struct request *request)
{
    return request->state;
}

bool request_claim(const struct request *request, const char **ret_route, const char **ret_key)
{
    if (!request->claim_key) {
        return false;
    }
    *ret_route = request->claim_route;
    *ret_key = request->claim_key;
    return true;
}

int64_t request_started_ms(const struct request *request)
{
    return request->started_us / 1000;
}
