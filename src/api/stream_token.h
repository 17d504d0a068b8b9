/* Short-lived tokens that open one terminal's stream: JSON Web Tokens (HS512), for browsers, which cannot send
 * an API key with a WebSocket. Pure functions of a key. */
#ifndef ATOLL_API_STREAM_TOKEN_H
#define ATOLL_API_STREAM_TOKEN_H

#include "base/error.h"
#include "store/principal.h"

#include <stdint.h>

enum { STREAM_TOKEN_LIFE_SEC = 5 * 60 }; /* to connect with; a stream that is open stays */

/* What a token is about. */
struct stream_claims {
    const char *sandbox_id, *session_id;
    int64_t expires_sec; /* since 1970 */
};

/* The token, the caller's to free(). NULL with err. */
char *stream_token_make(const char *key, const struct stream_claims *claims,
                        const struct principal *principal, struct error *err);

/* 0 and for whom it was made (scope: sandboxes:exec). -1: ERR_INVALID_TOKEN (not ours, changed, expired at
 * now_sec), ERR_SCOPE (of another sandbox or session). claims->expires_sec is not looked at. */
int stream_token_check(const char *key, const char *token, const struct stream_claims *claims,
                       int64_t now_sec, struct principal *ret_principal, struct error *err);

#endif
