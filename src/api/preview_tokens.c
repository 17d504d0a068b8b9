/* Tokens that open all private previews of a sandbox: preview-token and shares. */
#include "api/body_known.h"
#include "api/preview_fields.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/previews.h"

#include <string.h>

enum { DEFAULT_SEC = 3600, TOKEN_MAX_SEC = 86400, SHARE_MAX_SEC = 30 * 86400 };

/* Makes a token as the request's body says: scope, expires_in, port (for the URL). */
static int make_token(struct request *request, const char *kind, const char *secret_prefix,
                      int64_t max_sec, struct sandbox_view *ret_view,
                      struct store_preview_token *ret_token, char *text, int *ret_port,
                      struct error *err)
{
    static const char *const known[] = {"expires_in", "scope", "port", NULL};
    static const char *const expiry[] = {"expires_in", NULL};
    json_t *body = request_json(request);
    int64_t seconds;
    *ret_token = (struct store_preview_token){0};
    if (view_of_request(request, ret_view, err) < 0 || body_known(body, known, err) < 0 ||
        seconds_member(body, expiry, max_sec, DEFAULT_SEC, &seconds, err) < 0 ||
        interact_member(body, &ret_token->may_interact, err) < 0 ||
        port_member(body, ret_port, err) < 0) {
        return -1;
    }
    memcpy(ret_token->kind, kind, strlen(kind) + 1);
    memcpy(ret_token->tenant_id, ret_view->tenant_id, sizeof(ret_token->tenant_id));
    memcpy(ret_token->sandbox_id, ret_view->id, sizeof(ret_token->sandbox_id));
    ret_token->expires_ms = clock_realtime_ms() + seconds * 1000;
    return directory_make_token(api_of(request)->directory, secret_prefix, ret_token, text, err);
}

static const char *scope_text(const struct store_preview_token *token)
{
    return token->may_interact ? "interact" : "read";
}

static void token_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview_token token;
    char text[PREVIEW_TOKEN_SIZE];
    int port;
    if (make_token(request, "token", "mp_", TOKEN_MAX_SEC, &view, &token, text, &port, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *url = preview_url_member(api_of(request), &view, port, "mt", text);
    json_t *reply = json_pack("{s:s, s:o, s:o, s:s}", "token", text, "url", url, "expires_at",
                              time_member(token.expires_ms), "scope", scope_text(&token));
    explicit_bzero(text, sizeof(text));
    respond_json(request, 200, reply);
}

static void share_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    struct store_preview_token token;
    char text[PREVIEW_TOKEN_SIZE];
    int port;
    if (make_token(request, "share", "ms_", SHARE_MAX_SEC, &view, &token, text, &port, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *url = preview_url_member(api_of(request), &view, port, "ms", text);
    explicit_bzero(text, sizeof(text));
    respond_json(request, 201,
                 json_pack("{s:s, s:o, s:o, s:s}", "share_id", token.id, "share_url", url,
                           "expires_at", time_member(token.expires_ms), "scope",
                           scope_text(&token)));
}

static json_t *share_object(const struct store_preview_token *token)
{
    bool expired = token->expires_ms <= clock_realtime_ms();
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "share_id", token->id, "token_prefix",
                     token->prefix, "scope", scope_text(token), "status",
                     expired ? "expired" : "active", "expires_at", time_member(token->expires_ms),
                     "created_at", time_member(token->created_ms));
}

static void list_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    auto_free struct store_preview_token *tokens = NULL;
    size_t count;
    if (view_of_request(request, &view, &err) ||
        directory_list_tokens(api_of(request)->directory, view.id, "share", &tokens, &count,
                              &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, share_object(&tokens[i]));
    }
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

static void delete_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_view view;
    if (view_of_request(request, &view, &err) ||
        directory_delete_token(api_of(request)->directory, view.id, "share",
                               request_param(request, "share_id"), &err)) {
        respond_error(request, &err);
        return;
    }
    respond_bytes(request, 204, "", "", 0);
}

const struct route api_preview_token_routes[] = {
    {.method = "POST",
     .pattern = "/sandboxes/{id}/preview-token",
     .scope = SCOPE_PREVIEWS,
     .body = BODY_JSON,
     .handler = token_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/shares",
     .scope = SCOPE_PREVIEWS,
     .body = BODY_JSON,
     .handler = share_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/shares",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .handler = list_handle},
    {.method = "DELETE",
     .pattern = "/sandboxes/{id}/shares/{share_id}",
     .scope = SCOPE_PREVIEWS,
     .body = BODY_NONE,
     .handler = delete_handle},
    {0},
};
