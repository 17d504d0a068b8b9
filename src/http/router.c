#include "http/router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path is split into at most this many segments; what follows stays in the last one. */
enum { SEGMENTS_MAX = 12 };

static const char api_prefix[] = "/api/v1";

/* In order of preference when two patterns match the same path. */
enum segment_kind { SEGMENT_LITERAL, SEGMENT_CAPTURE, SEGMENT_REST };

struct segment {
    enum segment_kind kind;
    const char *text; /* the literal or the capture's name */
};

struct pattern {
    const struct route *route;
    char *text; /* what segments point into */
    struct segment segments[SEGMENTS_MAX];
    size_t segment_count;
};

struct router {
    size_t pattern_count;
    struct pattern patterns[];
};

struct path {
    char *segments[SEGMENTS_MAX];
    size_t segment_count;
    bool is_split; /* false: the last segment holds the remaining ones, too */
};

static int compile_segment(char *text, struct segment *segment)
{
    size_t length = strlen(text);
    if (text[0] != '{') {
        *segment = (struct segment){SEGMENT_LITERAL, text};
        return length > 0 ? 0 : -1;
    }
    if (length < 3 || text[length - 1] != '}') {
        return -1;
    }
    text[length - 1] = '\0';
    *segment = (struct segment){SEGMENT_CAPTURE, text + 1};
    if (length >= 6 && strcmp(text + length - 4, "...") == 0) {
        text[length - 4] = '\0';
        segment->kind = SEGMENT_REST;
    }
    return 0;
}

static int compile(const struct route *route, struct pattern *pattern)
{
    bool outside = strncmp(route->pattern, "//", 2) == 0;
    pattern->route = route;
    if (asprintf(&pattern->text, "%s%s", outside ? "" : api_prefix,
                 route->pattern + (outside ? 1 : 0)) < 0) {
        pattern->text = NULL;
        return -1;
    }
    size_t captures = 0;
    char *rest = pattern->text + 1;
    while (rest) {
        char *text = strsep(&rest, "/");
        struct segment *segment = &pattern->segments[pattern->segment_count];
        if (pattern->segment_count == SEGMENTS_MAX - 1 || compile_segment(text, segment)) {
            return -1;
        }
        pattern->segment_count++;
        captures += segment->kind != SEGMENT_LITERAL;
        if (segment->kind == SEGMENT_REST && rest) {
            return -1;
        }
    }
    return captures <= ROUTE_CAPTURES_MAX ? 0 : -1;
}

struct router *router_new(const struct route *routes)
{
    size_t count = 0;
    while (routes[count].method) {
        count++;
    }
    struct router *router = calloc(1, sizeof(*router) + count * sizeof(router->patterns[0]));
    if (!router) {
        return NULL;
    }
    for (; router->pattern_count < count; router->pattern_count++) {
        size_t i = router->pattern_count;
        if (compile(&routes[i], &router->patterns[i])) {
            free(router->patterns[i].text);
            return router_free(router);
        }
    }
    return router;
}

struct router *router_free(struct router *router)
{
    for (size_t i = 0; router && i < router->pattern_count; i++) {
        free(router->patterns[i].text);
    }
    free(router);
    return NULL;
}

/* Decodes raw (which begins with "/") into text and cuts it into segments. */
static int split(const char *raw, char *text, struct path *path)
{
    *path = (struct path){.is_split = true};
    const char *from = raw + 1;
    for (;;) {
        size_t length = strcspn(from, "/");
        bool last = path->segment_count == SEGMENTS_MAX - 1;
        if (last && from[length] == '/') {
            path->is_split = false;
            length = strlen(from);
        }
        ssize_t decoded = percent_decode(from, length, text);
        if (decoded < 0 || !percent_text_valid(text, (size_t)decoded)) {
            return -1;
        }
        path->segments[path->segment_count++] = text;
        text += decoded + 1;
        if (from[length] == '\0') {
            return 0;
        }
        from += length + 1;
    }
}

static bool matches(const struct pattern *pattern, const struct path *path)
{
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const struct segment *segment = &pattern->segments[i];
        if (i >= path->segment_count) {
            return false;
        }
        const char *text = path->segments[i];
        if (segment->kind == SEGMENT_REST) {
            return *text || i + 1 < path->segment_count;
        }
        if (segment->kind == SEGMENT_CAPTURE ? !*text : strcmp(segment->text, text) != 0) {
            return false;
        }
    }
    return path->is_split && path->segment_count == pattern->segment_count;
}

/* Is a the more literal one? Both match the same path. */
static bool better(const struct pattern *a, const struct pattern *b)
{
    if (!b) {
        return true;
    }
    for (size_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
        if (a->segments[i].kind != b->segments[i].kind) {
            return a->segments[i].kind < b->segments[i].kind;
        }
    }
    return false;
}

static void add_allowed(struct route_match *match, const char *method)
{
    size_t length = strlen(method);
    const char *found = match->allow;
    while ((found = strstr(found, method))) {
        if (found[length] == ',' || found[length] == '\0') {
            return;
        }
        found += length;
    }
    size_t used = strlen(match->allow);
    snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s", used ? ", " : "", method);
}

/* Undoes the split from segment i on. */
static void join_rest(const struct path *path, size_t i)
{
    for (size_t next = i + 1; next < path->segment_count; next++) {
        char *separator = path->segments[next] - 1;
        *separator = '/';
    }
}

static void capture(const struct pattern *pattern, const struct path *path,
                    struct route_match *match)
{
    match->route = pattern->route;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const struct segment *segment = &pattern->segments[i];
        if (segment->kind == SEGMENT_LITERAL) {
            continue;
        }
        if (segment->kind == SEGMENT_REST) {
            join_rest(path, i);
        }
        match->captures[match->capture_count++] =
            (struct route_capture){segment->text, path->segments[i]};
    }
}

int router_find(const struct router *router, const char *method, const char *path,
                struct route_match *ret_match, struct error *err)
{
    *ret_match = (struct route_match){0};
    if (path[0] != '/') {
        return error_set_field(err, ERR_BAD_REQUEST, "path", "the path must begin with '/'");
    }
    /* Decoding never lengthens; the last segment may hold what follows it. */
    ret_match->text = malloc(strlen(path) + 1);
    if (!ret_match->text) {
        return error_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    struct path parts;
    if (split(path, ret_match->text, &parts)) {
        return error_set_field(err, ERR_BAD_REQUEST, "path",
                               "the path has a bad percent-escape, an encoded NUL or bytes that "
                               "are not UTF-8");
    }
    const struct pattern *best = NULL, *best_get = NULL;
    for (size_t i = 0; i < router->pattern_count; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (!matches(pattern, &parts)) {
            continue;
        }
        bool is_get = strcmp(pattern->route->method, "GET") == 0;
        add_allowed(ret_match, pattern->route->method);
        if (is_get) {
            add_allowed(ret_match, "HEAD");
        }
        if (strcmp(pattern->route->method, method) == 0 && better(pattern, best)) {
            best = pattern;
        }
        if (is_get && better(pattern, best_get)) {
            best_get = pattern;
        }
    }
    if (!best && strcmp(method, "HEAD") == 0) {
        best = best_get;
    }
    if (!best && !ret_match->allow[0]) {
        return error_set(err, ERR_NO_ROUTE, 0, "there is no such route");
    }
    add_allowed(ret_match, "OPTIONS");
    if (!best) {
        return error_set(err, ERR_METHOD, 0, "this route has no such method; it has %s",
                         ret_match->allow);
    }
    capture(best, &parts, ret_match);
    return 0;
}

void route_match_clear(struct route_match *match)
{
    free(match->text);
    *match = (struct route_match){0};
}
