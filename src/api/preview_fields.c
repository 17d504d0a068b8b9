#include "api/preview_fields.h"

#include "api/body_fields.h"
#include "base/clock.h"
#include "base/urls.h"

#include <stdio.h>
#include <string.h>

enum { PORT_MAX = 65535 };

int port_member(json_t *body, int *ret_port, struct error *err)
{
    json_t *member = body_member(body, "port");
    *ret_port = 0;
    if (!member) {
        return 0;
    }
    if (!json_is_integer(member)) {
        return error_set_field(err, ERR_VALIDATION, "port", "port must be a whole number");
    }
    json_int_t port = json_integer_value(member);
    if (port < 1 || port > PORT_MAX) {
        return error_set_field(err, ERR_INVALID_PORT, "port", "port must be from 1 to %d",
                               PORT_MAX);
    }
    *ret_port = (int)port;
    return 0;
}

int seconds_member(json_t *body, const char *const *names, int64_t max, int64_t fallback,
                   int64_t *ret_seconds, struct error *err)
{
    for (; *names; names++) {
        if (body_member(body, *names)) {
            return body_int(body, *names, 1, max, fallback, ret_seconds, err);
        }
    }
    *ret_seconds = fallback;
    return 0;
}

int interact_member(json_t *body, bool *ret_may_interact, struct error *err)
{
    json_t *member = body_member(body, "scope");
    const char *scope = member ? json_string_value(member) : "read";
    *ret_may_interact = scope && strcmp(scope, "interact") == 0;
    if (!scope || (!*ret_may_interact && strcmp(scope, "read") != 0)) {
        return error_set_field(err, ERR_INVALID_SCOPE, "scope", "scope must be read or interact");
    }
    return 0;
}

int name_member(json_t *body, const char *member, size_t max, const char **ret_name,
                struct error *err)
{
    if (body_string(body, member, ret_name, err) < 0) {
        return -1;
    }
    if (!*ret_name) {
        return 0;
    }
    for (const char *p = *ret_name; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return error_set_field(err, ERR_VALIDATION, member,
                                   "%s must not have control characters", member);
        }
    }
    size_t length = strlen(*ret_name);
    return length >= 1 && length <= max
               ? 0
               : error_set_field(err, ERR_VALIDATION, member, "%s must have 1 to %zu bytes", member,
                                 max);
}

json_t *time_member(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

int view_of_request(struct request *request, struct sandbox_view *ret_view, struct error *err)
{
    const char *id = request_param(request, "id");
    if (!sandbox_peek(api_of(request)->sandboxes, id, NULL, ret_view) ||
        strcmp(ret_view->tenant_id, request_principal(request)->tenant_id) != 0) {
        return error_set(err, ERR_NOT_FOUND, 0, "there is no sandbox '%.40s'", id);
    }
    return 0;
}

int running_view_of_request(struct request *request, struct sandbox_view *ret_view,
                            struct error *err)
{
    struct api *api = api_of(request);
    struct sandbox_use use;
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          0, &use, err) < 0) {
        return -1;
    }
    sandbox_use_end(api->sandboxes, &use);
    return view_of_request(request, ret_view, err);
}

json_t *preview_url_member(const struct api *api, const struct sandbox_view *view, int port,
                           const char *name, const char *token)
{
    char url[URL_SIZE], own[PREVIEW_DOMAIN_SIZE];
    bool has_own = sandboxes_preview_domain(api->sandboxes, view->tenant_id, own);
    url_of_preview(api->settings, 0, has_own ? own : NULL, view->slug, port, url);
    return name ? json_sprintf("%s/?%s=%s", url, name, token) : json_string(url);
}
