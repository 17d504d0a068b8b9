#include "api/stream_token.h"

#include "base/cleanup.h"

#include <errno.h>
#include <jwt.h>
#include <string.h>

/* Other tokens may be signed with the same key one day. */
static const char purpose[] = "terminal";

static void free_jwt(jwt_t **jwt)
{
    jwt_free(*jwt);
}

#define auto_jwt __attribute__((cleanup(free_jwt)))

char *stream_token_make(const char *key, const struct stream_claims *claims,
                        const struct principal *principal, struct error *err)
{
    auto_jwt jwt_t *jwt = NULL;
    int failed = jwt_new(&jwt);
    if (!failed) {
        failed = jwt_add_grant(jwt, "aud", purpose) |
                 jwt_add_grant(jwt, "sandbox_id", claims->sandbox_id) |
                 jwt_add_grant(jwt, "session_id", claims->session_id) |
                 jwt_add_grant(jwt, "tenant_id", principal->tenant_id) |
                 jwt_add_grant(jwt, "workspace_id", principal->workspace_id) |
                 jwt_add_grant(jwt, "sub", principal->user_id) |
                 jwt_add_grant(jwt, "key_id", principal->key_id) |
                 jwt_add_grant_int(jwt, "exp", claims->expires_sec) |
                 jwt_set_alg(jwt, JWT_ALG_HS512, (const unsigned char *)key, (int)strlen(key));
    }
    char *token = failed ? NULL : jwt_encode_str(jwt);
    if (!token) {
        error_set(err, ERR_INTERNAL, ENOMEM, "sign a stream token");
    }
    return token;
}

static bool grant_is(jwt_t *jwt, const char *name, const char *wanted)
{
    const char *value = jwt_get_grant(jwt, name);
    return value && strcmp(value, wanted) == 0;
}

static void take_id(jwt_t *jwt, const char *name, char id[ID_SIZE])
{
    const char *value = jwt_get_grant(jwt, name);
    snprintf(id, ID_SIZE, "%s", value ? value : "");
}

int stream_token_check(const char *key, const char *token, const struct stream_claims *claims,
                       int64_t now_sec, struct principal *ret_principal, struct error *err)
{
    auto_jwt jwt_t *jwt = NULL;
    if (jwt_decode(&jwt, token, (const unsigned char *)key, (int)strlen(key)) ||
        jwt_get_alg(jwt) != JWT_ALG_HS512 || !grant_is(jwt, "aud", purpose)) {
        return error_set(err, ERR_INVALID_TOKEN, 0, "the stream token is not one of this server's");
    }
    if (jwt_get_grant_int(jwt, "exp") <= now_sec) {
        error_set(err, ERR_INVALID_TOKEN, 0, "the stream token has expired");
        return error_hint(err, "Get another one with POST …/terminal/{session_id}/token.");
    }
    if (!grant_is(jwt, "sandbox_id", claims->sandbox_id) ||
        !grant_is(jwt, "session_id", claims->session_id)) {
        return error_set(err, ERR_SCOPE, 0, "the stream token is for another terminal");
    }
    *ret_principal = (struct principal){.scopes = SCOPE_SANDBOXES_EXEC};
    take_id(jwt, "tenant_id", ret_principal->tenant_id);
    take_id(jwt, "workspace_id", ret_principal->workspace_id);
    take_id(jwt, "sub", ret_principal->user_id);
    take_id(jwt, "key_id", ret_principal->key_id);
    return 0;
}
