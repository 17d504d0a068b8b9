/* Preview tokens in a request: found, and taken out of what the application gets to see. Pure. */
#ifndef ATOLL_GATEWAY_CREDENTIALS_H
#define ATOLL_GATEWAY_CREDENTIALS_H

#include "gateway/head.h"

/* The cookie that remembers a token. */
#define GATEWAY_COOKIE "atoll_preview"

enum { CREDENTIAL_SIZE = 256, COOKIE_TOKENS_MAX = 4 };

/* Copies the target without token arguments (preview_token, and mt and ms when their values look like tokens) into
 * clean[target.length]; *ret_length: its length. token gets the first value, decoded, or "". */
void credentials_of_target(struct text target, char *clean, size_t *ret_length,
                           char token[CREDENTIAL_SIZE]);

/* The values of our cookie in a Cookie header's value; several when an application planted its own. Returns the new count. */
size_t credentials_of_cookie(struct text cookies, char tokens[COOKIE_TOKENS_MAX][CREDENTIAL_SIZE],
                             size_t count);

/* Copies the Cookie header's value without our cookie into clean[2 * cookies.length]; returns its length. */
size_t credentials_clean_cookie(struct text cookies, char *clean);

/* Does a Set-Cookie header's value set our cookie? */
bool credentials_is_our_cookie(struct text set_cookie);

#endif
