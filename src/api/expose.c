/* POST …/expose: a public preview of one port, in one request. */
#include "api/body_known.h"
#include "api/preview_fields.h"
#include "api/previews.h"
#include "base/clock.h"
#include "gateway/previews.h"

#include <stdio.h>
#include <string.h>

/* The port that is meant: the request's, or the one of the sandbox's app or template. */
static int choose_port(json_t *body, const struct sandbox_view *view, int *ret_port,
                       struct error *err)
{
    if (port_member(body, ret_port, err) < 0) {
        return -1;
    }
    if (!*ret_port) {
        *ret_port = view->app_port;
    }
    if (!*ret_port) {
        error_set_field(err, ERR_MISSING_PARAM, "port",
                        "port is missing, and the template '%s' has no preview port",
                        view->template_id);
        return error_hint(err, "Send {\"port\": 3000}: where the server inside listens.");
    }
    return 0;
}

/* The preview that an earlier request made, or a new one. */
static int ensure_public(struct request *request, const struct sandbox_view *view, int port,
                         struct store_preview *ret_preview, struct error *err)
{
    struct api *api = api_of(request);
    if (directory_exposed_port(api->directory, view->id, port, ret_preview)) {
        return 0;
    }
    *ret_preview = (struct store_preview){
        .port = port, .is_public = true, .origin = "expose", .created_ms = clock_realtime_ms()};
    id_make("prv_", ret_preview->id);
    memcpy(ret_preview->tenant_id, view->tenant_id, sizeof(ret_preview->tenant_id));
    memcpy(ret_preview->sandbox_id, view->id, sizeof(ret_preview->sandbox_id));
    snprintf(ret_preview->name, sizeof(ret_preview->name), "port-%d", port);
    if (directory_put_preview(api->directory, ret_preview, true, err) < 0) {
        return -1;
    }
    preview_tell_ready(api, view, ret_preview);
    return 0;
}

/* How long the URL will be good for, in the contract's words. */
static json_t *url_info(const struct api *api, const struct sandbox_view *view, int port,
                        bool always_on)
{
    const char *class = always_on ? "always_on_preview" : "temporary_preview";
    const char *action = always_on ? "publish_when_ready" : "create_alias_or_publish";
    return json_pack("{s:o, s:s, s:b, s:s}", "url", preview_url_member(api, view, port, NULL, NULL),
                     "url_class", class, "stable_for_embedding", always_on,
                     "recommended_next_action", action);
}

static int is_always_on(struct request *request, bool *ret_always_on, struct error *err)
{
    json_t *sandbox = NULL;
    if (sandbox_get(api_of(request)->sandboxes, request_principal(request),
                    request_param(request, "id"), &sandbox, err) < 0) {
        return -1;
    }
    *ret_always_on = json_is_true(json_object_get(sandbox, "always_on"));
    json_decref(sandbox);
    return 0;
}

void expose_handle(struct request *request)
{
    static const char *const known[] = {"port", NULL};
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    json_t *body = request_json(request);
    int port;
    bool always_on;
    if (view_of_request(request, &view, &err) || body_known(body, known, &err) ||
        choose_port(body, &view, &port, &err) || running_view_of_request(request, &view, &err) ||
        is_always_on(request, &always_on, &err) ||
        ensure_public(request, &view, port, &preview, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *info = url_info(api, &view, port, always_on);
    json_t *reply = json_copy(info);
    json_object_set_new(reply, "url_info", info);
    json_object_set_new(reply, "preview_id", json_string(preview.id));
    json_object_set_new(reply, "port", json_integer(port));
    json_object_set_new(reply, "ready", json_boolean(app_port_listens(api->apps, view.id, port)));
    respond_json(request, 200, reply);
}
