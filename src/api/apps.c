/* Template apps: start, stop, what they are doing, and what they made. */
#include "api/api.h"

#include "api/body_known.h"
#include "api/file_use.h"
#include "api/preview_fields.h"
#include "api/previews.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/previews.h"

#include <stdio.h>

static json_t *preview_url(const struct api *api, const char *sandbox_id, int port)
{
    struct sandbox_view view;
    return port > 0 && sandbox_peek(api->sandboxes, sandbox_id, NULL, &view)
               ? preview_url_member(api, &view, port, NULL, NULL)
               : json_null();
}

/* Does the sandbox have a preview of the port, such as a private one that its owner made? */
static bool has_preview(struct api *api, const char *sandbox_id, int port)
{
    auto_free struct store_preview *previews = NULL;
    size_t count = 0;
    if (directory_list_previews(api->directory, sandbox_id, &previews, &count, NULL) < 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_over = previews[i].expires_ms && previews[i].expires_ms <= clock_realtime_ms();
        if (previews[i].port == port && !is_over) {
            return true;
        }
    }
    return false;
}

void api_expose_app(void *context, const char *tenant_id, const char *sandbox_id, int port)
{
    struct api *api = context;
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview = {
        .port = port, .is_public = true, .origin = "expose", .created_ms = clock_realtime_ms()};
    if (!sandbox_peek(api->sandboxes, sandbox_id, NULL, &view) ||
        has_preview(api, sandbox_id, port)) {
        return;
    }
    id_make("prv_", preview.id);
    snprintf(preview.tenant_id, sizeof(preview.tenant_id), "%s", tenant_id);
    snprintf(preview.sandbox_id, sizeof(preview.sandbox_id), "%s", sandbox_id);
    snprintf(preview.name, sizeof(preview.name), "port-%d", port);
    if (directory_put_preview(api->directory, &preview, true, &err) < 0) {
        log_warn("app.not_exposed", "sandbox=%s port=%d error=\"%s\"", sandbox_id, port,
                 err.message);
        return;
    }
    preview_tell_ready(api, &view, &preview);
}

/* Answers with the app's status and the URL that leads to its port, which every start exposes. */
static void respond_status(struct request *request, json_t *status)
{
    int port = (int)json_integer_value(json_object_get(status, "preview_port"));
    json_object_set_new(status, "preview_url",
                        preview_url(api_of(request), request_param(request, "id"), port));
    respond_json(request, 200, json_pack("{s:o}", "data", status));
}

static void start_handle(struct request *request)
{
    struct error err = {0};
    json_t *reply = NULL;
    if (app_start(api_of(request)->apps, request_principal(request), request_param(request, "id"),
                  request_json(request), request_client_fd(request), request_ending_fd(request),
                  &reply, &err)) {
        respond_error_details(request, &err, reply);
        return;
    }
    respond_status(request, reply);
}

static void stop_handle(struct request *request)
{
    static const char *const known[] = {NULL};
    struct error err = {0};
    json_t *reply = NULL;
    if (body_known(request_json(request), known, &err) ||
        app_stop(api_of(request)->apps, request_principal(request), request_param(request, "id"),
                 &reply, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_status(request, reply);
}

static void status_handle(struct request *request)
{
    auto_file_use struct file_use use = {0};
    struct error err = {0};
    json_t *status = NULL;
    if (file_use_begin(&use, request, &err) ||
        app_status(api_of(request)->apps, &use.sandbox, &status, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_status(request, status);
}

/* The contract of the template and what is there of it. */
static int collect(struct request *request, json_t **ret_status, struct error *err)
{
    auto_file_use struct file_use use = {0};
    json_t *status = NULL, *files = NULL;
    bool truncated = false;
    if (file_use_begin(&use, request, err) ||
        app_status(api_of(request)->apps, &use.sandbox, &status, err)) {
        return -1;
    }
    if (app_artifacts(&use.sandbox, json_object_get(status, "artifact_paths"), &files, &truncated,
                      err)) {
        json_decref(status);
        return file_use_failed(&use, err);
    }
    json_object_set_new(status, "artifacts", files);
    json_object_set_new(status, "truncated", json_boolean(truncated));
    *ret_status = status;
    return 0;
}

static void artifacts_handle(struct request *request)
{
    struct error err = {0};
    json_t *status = NULL;
    if (collect(request, &status, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *port = json_object_get(status, "preview_port");
    json_t *url =
        preview_url(api_of(request), request_param(request, "id"), (int)json_integer_value(port));
    json_object_set_new(status, "preview", json_pack("{s:o, s:O}", "url", url, "port", port));
    respond_status(request, status);
}

const struct route api_app_routes[] = {
    {.method = "POST",
     .pattern = "/sandboxes/{id}/template/start",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .handler = start_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/template/stop",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .handler = stop_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/template",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .handler = status_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/artifacts",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .handler = artifacts_handle},
    {0},
};
