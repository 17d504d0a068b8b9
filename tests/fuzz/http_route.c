/* Paths: found or refused, never a crash; what a capture holds is what the path said. */
#include "http/router.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct route routes[] = {
    {.method = "GET", .pattern = "/sandboxes"},
    {.method = "GET", .pattern = "/sandboxes/{id}"},
    {.method = "GET", .pattern = "/sandboxes/by-name/{name}"},
    {.method = "GET", .pattern = "/sandboxes/{id}/files/{path...}"},
    {.method = "GET", .pattern = "/sandboxes/{id}/files/stat"},
    {.method = "POST", .pattern = "/sandboxes/{id}/exec/{exec_id}/stdin"},
    {.method = "GET", .pattern = "//health"},
    {0},
};

static void check_found(const struct route_match *match, size_t path_length)
{
    assert(match->route && match->capture_count <= ROUTE_CAPTURES_MAX);
    for (size_t i = 0; i < match->capture_count; i++) {
        const char *value = match->captures[i].value;
        size_t length = strlen(value);
        assert(length > 0 && length < path_length);
        assert(percent_text_valid(value, length));
        assert(!strchr(value, '/') || strcmp(match->captures[i].name, "path") == 0 ||
               length + 2 < path_length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct router *router;
    router = router ? router : router_new(routes);
    char *path = malloc(size + 1);
    memcpy(path, data, size);
    path[size] = '\0';
    struct route_match match;
    struct error err = {0};
    const char *method = size > 0 && data[0] & 1 ? "GET" : "HEAD";
    if (router_find(router, method, path, &match, &err) == 0) {
        check_found(&match, strlen(path));
    } else {
        assert(err.code == ERR_BAD_REQUEST || err.code == ERR_NO_ROUTE || err.code == ERR_METHOD);
    }
    route_match_clear(&match);
    free(path);
    return 0;
}
