/* A preview's own tokens, and whether anybody answers behind it. */
#include "api/body_known.h"
#include "api/preview_fields.h"
#include "api/previews.h"
#include "gateway/previews.h"

#include <string.h>

enum { SHARE_DEFAULT_SEC = 3600, SHARE_MAX_SEC = 30 * 86400, PROBE_TIMEOUT_MS = 5000 };

void preview_share_handle(struct request *request)
{
    static const char *const known[] = {"ttl_seconds", "expires_in_sec", NULL};
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    struct store_preview_token token;
    char text[PREVIEW_TOKEN_SIZE];
    int64_t seconds;
    json_t *body = request_json(request);
    if (preview_of_request(request, &view, &preview, &err) || body_known(body, known, &err) ||
        seconds_member(body, known, SHARE_MAX_SEC, SHARE_DEFAULT_SEC, &seconds, &err) ||
        preview_make_token(api, &preview, seconds, &token, text, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *data = json_pack("{s:s, s:s, s:o}", "id", preview.id, "share_token_prefix",
                             token.prefix, "share_token_expires_at", time_member(token.expires_ms));
    json_t *url = preview_url_member(api, &view, preview.port, "preview_token", text);
    json_t *reply =
        json_pack("{s:o, s:s, s:o}", "data", data, "preview_token", text, "share_url", url);
    explicit_bzero(text, sizeof(text));
    respond_json(request, 201, reply);
}

void preview_unshare_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    if (preview_of_request(request, &view, &preview, &err) ||
        directory_revoke_tokens(api_of(request)->directory, view.id, preview.id, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:{}}", "data"));
}

/* What one request to the server inside tells, in words. */
static const char *process_status(enum error_code code)
{
    switch (code) {
    case ERR_NONE:
        return "ready";
    case ERR_PORT_NOT_LISTENING:
        return "not_listening";
    case ERR_UPSTREAM_TIMEOUT:
        return "timeout";
    default:
        return "no_http";
    }
}

static json_t *probe(struct request *request, const struct store_preview *preview)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct sandbox_use use;
    int http_status = 0;
    int64_t latency_ms = 0;
    if (sandbox_use_begin(api->sandboxes, request_principal(request), preview->sandbox_id, 0, &use,
                          &err) < 0) {
        return json_pack("{s:s, s:n, s:n}", "status", "sandbox_not_running", "http_status",
                         "latency_ms");
    }
    json_t *how = json_pack("{s:s, s:i}", "type", "http", "port", preview->port);
    bool answers =
        app_probe(api->apps, &use, how, PROBE_TIMEOUT_MS, &http_status, &latency_ms, &err) == 0;
    json_decref(how);
    sandbox_use_end(api->sandboxes, &use);
    return json_pack("{s:s, s:o, s:o}", "status", process_status(answers ? ERR_NONE : err.code),
                     "http_status", http_status ? json_integer(http_status) : json_null(),
                     "latency_ms", answers ? json_integer(latency_ms) : json_null());
}

void preview_status_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview preview;
    if (preview_of_request(request, &view, &preview, &err)) {
        respond_error(request, &err);
        return;
    }
    /* Looking does not wake a paused sandbox. */
    json_t *process = view.state == SANDBOX_RUNNING
                          ? probe(request, &preview)
                          : json_pack("{s:s, s:n, s:n}", "status", "sandbox_not_running",
                                      "http_status", "latency_ms");
    bool has_tls = api_of(request)->settings->gateway_tls[0];
    respond_json(request, 200,
                 json_pack("{s:o, s:{s:s}, s:{s:s}}", "process", process, "tls", "status",
                           has_tls ? "active" : "none", "sandbox", "state",
                           sandbox_state_name(view.state)));
}
