/* Which route a method and a raw (still percent-encoded) path belong to. Pure; no I/O, any thread. */
#ifndef ATOLL_HTTP_ROUTER_H
#define ATOLL_HTTP_ROUTER_H

#include "base/error.h"
#include "http/http.h"

#include <stddef.h>

enum { ROUTE_CAPTURES_MAX = 4 };

struct router;

struct route_capture {
    const char *name;
    const char *value;
};

struct route_match {
    const struct route *route;
    struct route_capture captures[ROUTE_CAPTURES_MAX];
    size_t capture_count;
    char allow[96]; /* "GET, HEAD, OPTIONS": what the path has; "" for an unknown path */
    char *text;     /* the decoded path that captures point into */
};

/* routes: ended by {0}, borrowed. NULL when a pattern is malformed or memory is out. */
struct router *router_new(const struct route *routes);

/* Accepts NULL; returns NULL. */
struct router *router_free(struct router *router);

/*
 * Finds the most literal route. Each path segment is decoded exactly once, so "%2F" inside a {path...}
 * capture becomes "/" and inside any other segment stays part of that segment. HEAD falls back on GET.
 * -1 with ERR_BAD_REQUEST (bad escape, NUL, not UTF-8), ERR_NO_ROUTE, or ERR_METHOD (allow is set).
 * *ret_match is always set; release it with route_match_clear.
 */
int router_find(const struct router *router, const char *method, const char *path,
                struct route_match *ret_match, struct error *err);

void route_match_clear(struct route_match *match);

/* Decodes %XX of raw[length] into text (length + 1 bytes; may be raw itself). Returns the decoded
 * length, or -1 for a bad escape or an encoded NUL. */
ssize_t percent_decode(const char *raw, size_t length, char *text);

/* Is it well-formed UTF-8 (no surrogates, nothing overlong, at most U+10FFFF)? */
bool percent_text_valid(const char *text, size_t length);

#endif
