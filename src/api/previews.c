/* Previews: ports of a sandbox that the gateway serves, to all or to who has a token. */
#include "api/previews.h"

#include "api/body_fields.h"
#include "api/body_known.h"
#include "api/preview_fields.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/previews.h"

#include <stdio.h>
#include <string.h>

enum {
    TTL_MAX_SEC = 365 * 86400,
    SHARE_DEFAULT_SEC = 3600,
    NAME_MAX_BYTES = 100,
};

static const char *const ttl_names[] = {"ttl_seconds", NULL};

void preview_tell_ready(struct api *api, const struct sandbox_view *view,
                        const struct store_preview *preview)
{
    struct error err = {0};
    json_t *data =
        json_pack("{s:s, s:o, s:i, s:s}", "preview_id", preview->id, "url",
                  preview_url_member(api, view, preview->port, NULL, NULL), "port", preview->port,
                  "visibility", preview->is_public ? "public" : "private");
    if (events_append(api->events, view->tenant_id, view->id, "sandbox.preview.ready", data, &err) <
        0) {
        log_warn("preview.event", "sandbox=%s error=%s", view->id, err.message);
    }
}

/* The newest token that was made for the preview alone; false: there is none that is still good. */
static bool newest_token(struct api *api, const struct store_preview *preview,
                         struct store_preview_token *ret_token)
{
    auto_free struct store_preview_token *tokens = NULL;
    size_t count;
    if (directory_list_tokens(api->directory, preview->sandbox_id, "preview", &tokens, &count,
                              NULL) < 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tokens[i].preview_id, preview->id) == 0 &&
            tokens[i].expires_ms > clock_realtime_ms()) {
            *ret_token = tokens[i];
            return true;
        }
    }
    return false;
}

json_t *preview_object(struct api *api, const struct sandbox_view *view,
                       const struct store_preview *preview)
{
    struct store_preview_token token;
    bool has_token = newest_token(api, preview, &token);
    bool expired = preview->expires_ms && preview->expires_ms <= clock_realtime_ms();
    bool runs = view->state == SANDBOX_RUNNING;
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "id",
                     preview->id, "sandbox_id", preview->sandbox_id, "name", preview->name, "port",
                     preview->port, "state", expired ? "expired" : "active", "url",
                     preview_url_member(api, view, preview->port, NULL, NULL), "visibility",
                     preview->is_public ? "public" : "private", "route_status",
                     expired ? "expired" : (runs ? "active" : sandbox_state_name(view->state)),
                     "expires_at", time_member(preview->expires_ms), "created_at",
                     time_member(preview->created_ms), "share_token_prefix",
                     has_token ? json_string(token.prefix) : json_null(), "share_token_expires_at",
                     has_token ? time_member(token.expires_ms) : json_null());
}

int preview_of_request(struct request *request, struct sandbox_view *ret_view,
                       struct store_preview *ret_preview, struct error *err)
{
    if (view_of_request(request, ret_view, err) < 0) {
        return -1;
    }
    return directory_get_preview(api_of(request)->directory, ret_view->id,
                                 request_param(request, "pid"), ret_preview, err);
}

/* visibility, name and ttl_seconds, as far as they are there. */
static int take_fields(json_t *body, struct store_preview *preview, struct error *err)
{
    const char *visibility, *name;
    int64_t seconds;
    if (body_string(body, "visibility", &visibility, err) < 0 ||
        name_member(body, "name", NAME_MAX_BYTES, &name, err) < 0 ||
        seconds_member(body, ttl_names, TTL_MAX_SEC, 0, &seconds, err) < 0) {
        return -1;
    }
    if (visibility) {
        preview->is_public = strcmp(visibility, "public") == 0;
        if (!preview->is_public && strcmp(visibility, "private") != 0) {
            return error_set_field(err, ERR_VALIDATION, "visibility",
                                   "visibility must be private or public");
        }
    }
    if (name) {
        snprintf(preview->name, sizeof(preview->name), "%s", name);
    }
    if (seconds) {
        preview->expires_ms = clock_realtime_ms() + seconds * 1000;
    }
    return 0;
}

static int take_new(json_t *body, const struct sandbox_view *view,
                    struct store_preview *ret_preview, struct error *err)
{
    static const char *const known[] = {"port", "name", "visibility", "ttl_seconds", NULL};
    *ret_preview = (struct store_preview){.origin = "preview", .created_ms = clock_realtime_ms()};
    if (body_known(body, known, err) < 0 || port_member(body, &ret_preview->port, err) < 0) {
        return -1;
    }
    if (!ret_preview->port) {
        return error_set_field(err, ERR_MISSING_PARAM, "port", "port is missing");
    }
    id_make("prv_", ret_preview->id);
    memcpy(ret_preview->tenant_id, view->tenant_id, sizeof(ret_preview->tenant_id));
    memcpy(ret_preview->sandbox_id, view->id, sizeof(ret_preview->sandbox_id));
    snprintf(ret_preview->name, sizeof(ret_preview->name), "port-%d", ret_preview->port);
    return take_fields(body, ret_preview, err);
}

int preview_make_token(struct api *api, const struct store_preview *preview, int64_t seconds,
                       struct store_preview_token *ret_token, char *text, struct error *err)
{
    *ret_token = (struct store_preview_token){.kind = "preview",
                                              .may_interact = true,
                                              .expires_ms = clock_realtime_ms() + seconds * 1000};
    memcpy(ret_token->tenant_id, preview->tenant_id, sizeof(ret_token->tenant_id));
    memcpy(ret_token->sandbox_id, preview->sandbox_id, sizeof(ret_token->sandbox_id));
    memcpy(ret_token->preview_id, preview->id, sizeof(ret_token->preview_id));
    return directory_make_token(api->directory, "miosa_pv_", ret_token, text, err);
}

/* The new preview; a private one comes with a first token. */
static int respond_new(struct request *request, const struct sandbox_view *view,
                       const struct store_preview *preview, struct error *err)
{
    struct api *api = api_of(request);
    struct store_preview_token token;
    char text[PREVIEW_TOKEN_SIZE] = "";
    if (!preview->is_public &&
        preview_make_token(api, preview, SHARE_DEFAULT_SEC, &token, text, err) < 0) {
        return -1;
    }
    json_t *data = preview_object(api, view, preview);
    if (text[0]) {
        json_object_set_new(data, "share_token", json_string(text));
        json_object_set_new(data, "share_url",
                            preview_url_member(api, view, preview->port, "preview_token", text));
        explicit_bzero(text, sizeof(text));
    }
    respond_json(request, 201, json_pack("{s:o}", "data", data));
    return 0;
}

static int check_listens(struct api *api, const struct store_preview *preview, struct error *err)
{
    return app_port_listens(api->apps, preview->sandbox_id, preview->port)
               ? 0
               : error_set_field(err, ERR_PORT_NOT_LISTENING, "port",
                                 "no server listens on port %d inside the sandbox", preview->port);
}

static void create_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    if (view_of_request(request, &view, &err) ||
        take_new(request_json(request), &view, &preview, &err) ||
        running_view_of_request(request, &view, &err) || check_listens(api, &preview, &err) ||
        directory_put_preview(api->directory, &preview, true, &err)) {
        respond_error(request, &err);
        return;
    }
    preview_tell_ready(api, &view, &preview);
    if (respond_new(request, &view, &preview, &err)) {
        respond_error(request, &err);
    }
}

static void list_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_view view;
    auto_free struct store_preview *previews = NULL;
    size_t count;
    if (view_of_request(request, &view, &err) ||
        directory_list_previews(api->directory, view.id, &previews, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, preview_object(api, &view, &previews[i]));
    }
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

static void get_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    if (preview_of_request(request, &view, &preview, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:o}", "data", preview_object(api_of(request), &view, &preview)));
}

static void update_handle(struct request *request)
{
    static const char *const known[] = {"name", "visibility", "ttl_seconds", NULL};
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    json_t *body = request_json(request);
    if (preview_of_request(request, &view, &preview, &err) || body_known(body, known, &err) ||
        take_fields(body, &preview, &err) ||
        directory_put_preview(api->directory, &preview, false, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", preview_object(api, &view, &preview)));
}

static void delete_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    if (preview_of_request(request, &view, &preview, &err) ||
        directory_delete_preview(api->directory, view.id, preview.id, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *data = preview_object(api, &view, &preview);
    json_object_set_new(data, "state", json_string("deleted"));
    json_object_set_new(data, "route_status", json_string("deleted"));
    respond_json(request, 200, json_pack("{s:o}", "data", data));
}

#define ONE     "/sandboxes/{id}"
#define PREVIEW ONE "/previews/{pid}"

#define READ(route_pattern, route_handler)                                                         \
    {                                                                                              \
        .method = "GET", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_READ,                  \
        .body = BODY_NONE, .handler = route_handler                                                \
    }

#define CHANGE(route_method, route_pattern, route_body, route_handler)                             \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_PREVIEWS,                 \
        .body = route_body, .handler = route_handler                                               \
    }

const struct route api_preview_routes[] = {
    CHANGE("POST", ONE "/expose", BODY_JSON, expose_handle),
    CHANGE("POST", ONE "/previews", BODY_JSON, create_handle),
    READ(ONE "/previews", list_handle),
    READ(PREVIEW, get_handle),
    CHANGE("PATCH", PREVIEW, BODY_JSON, update_handle),
    CHANGE("DELETE", PREVIEW, BODY_NONE, delete_handle),
    READ(PREVIEW "/status", preview_status_handle),
    CHANGE("POST", PREVIEW "/share", BODY_JSON, preview_share_handle),
    CHANGE("DELETE", PREVIEW "/share", BODY_NONE, preview_unshare_handle),
    {0},
};
