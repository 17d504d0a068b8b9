/* The catalogue of templates. */
#include "api/api.h"

#include "sandbox/sizes.h"

static void list_handle(struct request *request)
{
    struct error err = {0};
    bool include_aliases;
    if (request_query_bool(request, "include_aliases", false, &include_aliases, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, catalogue_to_json(api_of(request)->catalogue, include_aliases));
}

static void get_handle(struct request *request)
{
    struct error err = {0};
    const struct catalogue *catalogue = api_of(request)->catalogue;
    const char *id = request_param(request, "id");
    const struct template_definition *found = catalogue_find(catalogue, id);
    if (!found) {
        error_set(&err, ERR_NOT_FOUND, 0, "there is no template '%.64s'", id);
        error_hint(&err, "List the templates with GET /api/v1/sandbox-templates.");
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", template_to_json(catalogue, found)));
}

static json_t *sizes_json(void)
{
    json_t *sizes = json_array();
    for (const struct sandbox_size *size = sandbox_sizes; size->name; size++) {
        json_array_append_new(sizes, json_pack("{s:s, s:I, s:I, s:I}", "name", size->name,
                                               "cpu_count", (json_int_t)size->cpu_count,
                                               "memory_mb", (json_int_t)size->memory_mb,
                                               "disk_size_mb", (json_int_t)size->disk_mb));
    }
    return sizes;
}

/* The catalogue as newer clients read it: with the sizes. */
static void overview_handle(struct request *request)
{
    json_t *reply = catalogue_to_json(api_of(request)->catalogue, false);
    json_object_set(reply, "templates", json_object_get(reply, "data"));
    json_object_set_new(reply, "sizes", sizes_json());
    respond_json(request, 200, reply);
}

#define READ(route_pattern, route_handler)                                                         \
    {                                                                                              \
        .method = "GET", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_READ,                  \
        .body = BODY_NONE, .handler = route_handler                                                \
    }

const struct route api_template_routes[] = {
    READ("/sandbox-templates", list_handle),
    READ("/sandbox-templates/{id}", get_handle),
    READ("/templates", overview_handle),
    {0},
};
