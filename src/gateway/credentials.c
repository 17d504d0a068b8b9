#include "gateway/credentials.h"

#include <ctype.h>
#include <string.h>

static bool starts_with(struct text text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.length >= length && memcmp(text.data, prefix, length) == 0;
}

/* --- the query ------------------------------------------------------------------------------- */

/* The value of a token argument, or no data. "mt" and "ms" may be the application's own words. */
static struct text token_argument(struct text argument)
{
    static const struct text none;
    if (starts_with(argument, "preview_token=")) {
        return (struct text){argument.data + 14, argument.length - 14};
    }
    if (starts_with(argument, "mt=") || starts_with(argument, "ms=")) {
        struct text value = {argument.data + 3, argument.length - 3};
        return starts_with(value, "mp_") || starts_with(value, "ms_") ||
                       starts_with(value, "miosa_")
                   ? value
                   : none;
    }
    return none;
}

static int hex_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Percent-decoded into token; one that is too long or has odd bytes becomes "?", which no token is. */
static void decode_token(struct text value, char token[CREDENTIAL_SIZE])
{
    size_t used = 0;
    for (size_t i = 0; i < value.length; i++) {
        char c = value.data[i];
        if (c == '%' && i + 2 < value.length && isxdigit((unsigned char)value.data[i + 1]) &&
            isxdigit((unsigned char)value.data[i + 2])) {
            c = (char)(hex_of(value.data[i + 1]) * 16 + hex_of(value.data[i + 2]));
            i += 2;
        }
        if (c <= 0x20 || c == 0x7f || used == CREDENTIAL_SIZE - 1) {
            used = 0;
            token[used++] = '?';
            break;
        }
        token[used++] = c;
    }
    token[used] = '\0';
}

void credentials_of_target(struct text target, char *clean, size_t *ret_length,
                           char token[CREDENTIAL_SIZE])
{
    token[0] = '\0';
    const char *query = memchr(target.data, '?', target.length);
    const char *end = target.data + target.length;
    size_t used = query ? (size_t)(query - target.data) : target.length;
    memcpy(clean, target.data, used);
    bool is_first = true;
    for (const char *at = query ? query + 1 : NULL; at;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        struct text argument = {at, (size_t)((next ? next : end) - at)};
        struct text value = token_argument(argument);
        if (!value.data) {
            clean[used++] = is_first ? '?' : '&';
            memcpy(clean + used, argument.data, argument.length);
            used += argument.length;
            is_first = false;
        } else if (!token[0]) {
            decode_token(value, token);
        }
        at = next ? next + 1 : NULL;
    }
    *ret_length = used;
}

/* --- cookies --------------------------------------------------------------------------------- */

/* The next "name=value", trimmed. */
static bool next_pair(struct text *cookies, struct text *ret_pair)
{
    if (!cookies->data) {
        return false;
    }
    const char *end = memchr(cookies->data, ';', cookies->length);
    size_t length = end ? (size_t)(end - cookies->data) : cookies->length;
    *ret_pair = (struct text){cookies->data, length};
    cookies->data = end ? end + 1 : NULL;
    cookies->length -= length + (end ? 1 : 0);
    while (ret_pair->length > 0 && (ret_pair->data[0] == ' ' || ret_pair->data[0] == '\t')) {
        ret_pair->data++;
        ret_pair->length--;
    }
    return true;
}

static bool is_ours(struct text pair)
{
    size_t length = sizeof(GATEWAY_COOKIE) - 1;
    if (!starts_with(pair, GATEWAY_COOKIE)) {
        return false;
    }
    while (length < pair.length && (pair.data[length] == ' ' || pair.data[length] == '\t')) {
        length++;
    }
    return length < pair.length && pair.data[length] == '=';
}

size_t credentials_of_cookie(struct text cookies, char tokens[COOKIE_TOKENS_MAX][CREDENTIAL_SIZE],
                             size_t count)
{
    struct text pair;
    while (count < COOKIE_TOKENS_MAX && next_pair(&cookies, &pair)) {
        if (is_ours(pair)) {
            const char *value = (const char *)memchr(pair.data, '=', pair.length) + 1;
            decode_token((struct text){value, (size_t)(pair.data + pair.length - value)},
                         tokens[count++]);
        }
    }
    return count;
}

size_t credentials_clean_cookie(struct text cookies, char *clean)
{
    struct text pair;
    size_t used = 0;
    while (next_pair(&cookies, &pair)) {
        if (is_ours(pair) || pair.length == 0) {
            continue;
        }
        if (used > 0) {
            clean[used++] = ';';
            clean[used++] = ' ';
        }
        memcpy(clean + used, pair.data, pair.length);
        used += pair.length;
    }
    return used;
}

bool credentials_is_our_cookie(struct text set_cookie)
{
    struct text pair;
    return next_pair(&set_cookie, &pair) && is_ours(pair);
}
