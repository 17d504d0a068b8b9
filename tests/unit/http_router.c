/* Which route a path belongs to, and what its captures hold. */
#include "check.h"

#include "http/router.h"

#include <string.h>

static const struct route routes[] = {
    {.method = "GET", .pattern = "/sandboxes"},
    {.method = "POST", .pattern = "/sandboxes"},
    {.method = "GET", .pattern = "/sandboxes/{id}"},
    {.method = "GET", .pattern = "/sandboxes/by-name/{name}"},
    {.method = "GET", .pattern = "/sandboxes/{id}/files"},
    {.method = "GET", .pattern = "/sandboxes/{id}/files/{path...}"},
    {.method = "PUT", .pattern = "/sandboxes/{id}/files/{path...}"},
    {.method = "GET", .pattern = "/sandboxes/{id}/files/stat"},
    {.method = "GET", .pattern = "//health"},
    {0},
};

static struct router *router;

static const char *find(const char *method, const char *path, struct route_match *match,
                        struct error *err)
{
    *err = (struct error){0};
    return router_find(router, method, path, match, err) == 0 ? match->route->pattern
                                                              : error_api_code(err->code);
}

static void expect_found(const char *method, const char *path, const char *wanted, int line)
{
    struct route_match match;
    struct error err;
    check_text(find(method, path, &match, &err), wanted, path, __FILE__, line);
    route_match_clear(&match);
}

static void expect_captured(const char *path, size_t index, const char *wanted, int line)
{
    struct route_match match;
    struct error err;
    find("GET", path, &match, &err);
    if (check_that(index < match.capture_count, path, __FILE__, line)) {
        check_text(match.captures[index].value, wanted, path, __FILE__, line);
    }
    route_match_clear(&match);
}

#define FINDS(method, path, wanted)   expect_found((method), (path), (wanted), __LINE__)
#define CAPTURES(path, index, wanted) expect_captured((path), (index), (wanted), __LINE__)

#define FILES "/api/v1/sandboxes/x/files"

static void literals_win_over_captures(void)
{
    FINDS("GET", "/api/v1/sandboxes/by-name/x", "/sandboxes/by-name/{name}");
    FINDS("GET", FILES "/stat", "/sandboxes/{id}/files/stat");
    FINDS("PUT", FILES "/stat", "/sandboxes/{id}/files/{path...}");
    FINDS("GET", FILES "/stat/x", "/sandboxes/{id}/files/{path...}");
    FINDS("GET", FILES "/%2Fstat", "/sandboxes/{id}/files/{path...}");
    FINDS("GET", "/api/v1/sandboxes/by%2Dname/x", "/sandboxes/by-name/{name}");
}

static void prefixes_count(void)
{
    FINDS("GET", "/health", "//health");
    FINDS("GET", "/api/v1/health", "ROUTE_NOT_FOUND");
    FINDS("GET", "/sandboxes", "ROUTE_NOT_FOUND");
    FINDS("GET", "/api/v2/sandboxes", "ROUTE_NOT_FOUND");
    FINDS("GET", "/", "ROUTE_NOT_FOUND");
    FINDS("GET", "//", "ROUTE_NOT_FOUND");
    FINDS("GET", "/api/v1/sandboxes/", "ROUTE_NOT_FOUND");
    FINDS("GET", "/api/v1//sandboxes", "ROUTE_NOT_FOUND");
    FINDS("GET", FILES "/", "ROUTE_NOT_FOUND");
}

static void captures_are_decoded_once(void)
{
    CAPTURES("/api/v1/sandboxes/a%2Fb%20c", 0, "a/b c");
    CAPTURES("/api/v1/sandboxes/%2541", 0, "%41");
    CAPTURES("/api/v1/sandboxes/..", 0, "..");
    CAPTURES("/api/v1/sandboxes/a+b", 0, "a+b");
    CAPTURES(FILES "/workspace%2Fa%2fb.txt", 1, "workspace/a/b.txt");
    CAPTURES(FILES "/workspace/a/b.txt", 1, "workspace/a/b.txt");
    CAPTURES(FILES "//workspace//a/", 1, "/workspace//a/");
    CAPTURES(FILES "/%C3%A9", 1, "é");
    CAPTURES(FILES "/1/2/3/4/5/6/7/8/9/10/11/12/13/14%2F15", 1,
             "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15");
}

static void bad_paths_are_refused(void)
{
    FINDS("GET", "/api/v1/sandboxes/%", "BAD_REQUEST");
    FINDS("GET", "/api/v1/sandboxes/%4", "BAD_REQUEST");
    FINDS("GET", "/api/v1/sandboxes/%zz", "BAD_REQUEST");
    FINDS("GET", "/api/v1/sandboxes/a%00b", "BAD_REQUEST");
    FINDS("GET", "/api/v1/sandboxes/%ff", "BAD_REQUEST");
    FINDS("GET", "/api/v1/sandboxes/%C0%AF", "BAD_REQUEST");
    FINDS("GET", "/api/v1/sandboxes/%ED%A0%80", "BAD_REQUEST");
    FINDS("GET", FILES "/1/2/3/4/5/6/7/8/9/10/11/12/13/%00", "BAD_REQUEST");
    FINDS("GET", "sandboxes", "BAD_REQUEST");
    FINDS("GET", "", "BAD_REQUEST");
}

static void methods_are_told(void)
{
    struct route_match match;
    struct error err;
    CHECK_TEXT(find("DELETE", "/api/v1/sandboxes", &match, &err), "METHOD_NOT_ALLOWED");
    CHECK_TEXT(match.allow, "GET, HEAD, POST, OPTIONS");
    route_match_clear(&match);
    FINDS("HEAD", "/api/v1/sandboxes", "/sandboxes");
    FINDS("HEAD", FILES "/a", "/sandboxes/{id}/files/{path...}");
    FINDS("get", "/api/v1/sandboxes", "METHOD_NOT_ALLOWED");
}

static void malformed_tables_are_refused(void)
{
    static const char *const patterns[] = {"/a/{x...}/b", "/{x", "/a//b", "/{}"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct route table[] = {{.method = "GET", .pattern = patterns[i]}, {0}};
        CHECK(router_new(table) == NULL);
    }
}

static const struct check_case cases[] = {
    {"literals win over captures", literals_win_over_captures},
    {"prefixes count", prefixes_count},
    {"captures are decoded once", captures_are_decoded_once},
    {"bad paths are refused", bad_paths_are_refused},
    {"methods are told", methods_are_told},
    {"malformed tables are refused", malformed_tables_are_refused},
};

int main(int argc, char **argv)
{
    router = router_new(routes);
    if (!router) {
        return 1;
    }
    int result = check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
    router_free(router);
    return result;
}
