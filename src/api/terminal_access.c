/* How a terminal is reached: its URL, and the token that opens it. */
#include "api/stream_token.h"
#include "api/terminal.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/store_secrets.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

bool terminal_id_valid(const char *session_id)
{
    return id_valid("trm_", session_id);
}

/* "name", "name:8080", "[::1]:8080": what may stand in a URL as it is. */
static bool is_host(const char *host)
{
    size_t length = host ? strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789.-_:[]")
                         : 0;
    return length > 0 && length <= HOST_MAX && host[length] == '\0';
}

/* Where the client says that it found us; it is told nothing that it did not say itself. */
static const char *host_of(const struct request *request)
{
    const char *host = request_header(request, "Host");
    return is_host(host) ? host : api_of(request)->settings->listen;
}

static const char *scheme_of(const struct request *request)
{
    const char *forwarded = request_header(request, "X-Forwarded-Proto");
    return forwarded && strcasecmp(forwarded, "https") == 0 ? "wss" : "ws";
}

json_t *terminal_access(const struct request *request, const char *sandbox_id,
                        const char *session_id, struct error *err)
{
    char secret[SECRET_SIZE], expires_at[CLOCK_ISO8601_SIZE];
    struct stream_claims claims = {
        .sandbox_id = sandbox_id,
        .session_id = session_id,
        .expires_sec = clock_realtime_ms() / 1000 + STREAM_TOKEN_LIFE_SEC,
    };
    if (store_secret(api_of(request)->store, TERMINAL_SECRET, secret, err)) {
        return NULL;
    }
    auto_free char *token = stream_token_make(secret, &claims, request_principal(request), err);
    if (!token) {
        return NULL;
    }
    clock_iso8601(claims.expires_sec * 1000, expires_at);
    auto_free char *url = NULL;
    if (asprintf(&url, "%s://%s/api/v1/sandboxes/%s/terminal/stream?session_id=%s",
                 scheme_of(request), host_of(request), sandbox_id, session_id) < 0) {
        url = NULL;
        error_set(err, ERR_INTERNAL, ENOMEM, "make a terminal's URL");
        return NULL;
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "session_id", session_id, "sandbox_id",
                     sandbox_id, "ws_url", url, "stream_auth", token, "stream_auth_expires_at",
                     expires_at, "expires_at", (json_int_t)claims.expires_sec);
}
