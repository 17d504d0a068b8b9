/* Request bodies: refused by their announced size, collected and parsed as JSON, or passed on. */
#include "http/json_body.h"
#include "http/request.h"

#include <errno.h>

static size_t json_max(const struct request *request)
{
    size_t max = request->match.route->body_max;
    return max ? max : (size_t)request->server->settings->body_max_kb * 1024;
}

static int too_large(struct request *request, size_t max, struct error *err)
{
    request->limit_bytes = (int64_t)max;
    return error_set(err, ERR_TOO_LARGE, 0, "the request body is larger than %zu bytes", max);
}

int body_begin(struct request *request, struct error *err)
{
    const struct route *route = request->match.route;
    size_t max = 0;
    switch (route->body) {
    case BODY_NONE:
        max = BODY_IGNORED_MAX;
        break;
    case BODY_JSON:
        max = json_max(request);
        request->body = BUFFER_INIT(max);
        break;
    case BODY_STREAM:
        max = route->body_max;
        break;
    }
    if (max > 0 && request->content_length > (int64_t)max) {
        return too_large(request, max, err);
    }
    return route->body_begin ? route->body_begin(request, err) : 0;
}

int body_data(struct request *request, const char *bytes, size_t length, struct error *err)
{
    const struct route *route = request->match.route;
    request->body_seen += (int64_t)length;
    switch (route->body) {
    case BODY_NONE:
        return request->body_seen <= BODY_IGNORED_MAX ? 0
                                                      : too_large(request, BODY_IGNORED_MAX, err);
    case BODY_JSON:
        if (buffer_append(&request->body, bytes, length)) {
            return errno == E2BIG ? too_large(request, request->body.max, err)
                                  : error_set(err, ERR_INTERNAL, errno, "keep the body");
        }
        return 0;
    case BODY_STREAM:
        if (route->body_max > 0 && request->body_seen > (int64_t)route->body_max) {
            return too_large(request, route->body_max, err);
        }
        return route->body_data(request, bytes, length, err);
    }
    return 0;
}

int body_end(struct request *request, struct error *err)
{
    if (request->match.route->body != BODY_JSON) {
        return 0;
    }
    request->json = json_body_parse(request->body.data, request->body.length, err);
    return request->json ? 0 : -1;
}
