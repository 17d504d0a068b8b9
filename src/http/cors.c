#include "http/cors.h"

#include <string.h>

bool cors_origin_allowed(const char *list, const char *origin)
{
    if (!origin || !*origin) {
        return false;
    }
    if (strcmp(list, "*") == 0) {
        return true;
    }
    while (*list) {
        list += strspn(list, ", ");
        size_t length = strcspn(list, ", ");
        if (length > 0 && strlen(origin) == length && strncmp(list, origin, length) == 0) {
            return true;
        }
        list += length;
    }
    return false;
}

static const char *allowed_origin(const struct request *request)
{
    const char *list = request->server->settings->cors_origins;
    const char *origin = list[0] ? request_header(request, "Origin") : NULL;
    return cors_origin_allowed(list, origin) ? origin : NULL;
}

void cors_add_headers(const struct request *request, struct MHD_Response *response)
{
    const char *origin = allowed_origin(request);
    if (request->server->settings->cors_origins[0]) {
        MHD_add_response_header(response, "Vary", "Origin");
    }
    if (origin) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
        MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                "x-request-id, Retry-After, ETag, Content-Range");
    }
}

void cors_answer_preflight(struct request *request)
{
    if (allowed_origin(request)) {
        respond_header(request, "Access-Control-Allow-Methods", request->match.allow);
        respond_header(request, "Access-Control-Allow-Headers",
                       "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Range, "
                       "If-Range, X-MIOSA-Tenant");
        respond_header(request, "Access-Control-Max-Age", "600");
    }
}
