/* Sandboxes that are kept ready: the operator's part of the templates. */
#include "sandbox/warm_pools.h"

#include "api/api.h"

static const struct template_definition *find_template(struct request *request, struct error *err)
{
    const char *id = request_param(request, "id");
    const struct template_definition *found = catalogue_find(api_of(request)->catalogue, id);
    if (!found) {
        error_set(err, ERR_NOT_FOUND, 0, "there is no template '%.64s'", id);
        error_hint(err, "List the templates with GET /api/v1/sandbox-templates.");
    }
    return found;
}

static void answer(struct request *request, int failed, json_t *pools, const struct error *err)
{
    if (failed) {
        respond_error(request, err);
    } else {
        respond_json(request, 200, json_pack("{s:o}", "data", pools));
    }
}

static void get_handle(struct request *request)
{
    struct error err = {0};
    json_t *pools = NULL;
    const struct template_definition *found = find_template(request, &err);
    int failed = !found || warm_pools_get(api_of(request)->sandboxes, found, &pools, &err);
    answer(request, failed, pools, &err);
}

static void put_handle(struct request *request)
{
    struct error err = {0};
    json_t *pools = NULL;
    const struct template_definition *found = find_template(request, &err);
    int failed = !found || warm_pools_set(api_of(request)->sandboxes, found, request_json(request),
                                          &pools, &err);
    answer(request, failed, pools, &err);
}

const struct route api_warm_pool_routes[] = {
    {.method = "GET",
     .pattern = "/sandbox-templates/{id}/warm-pool",
     .scope = SCOPE_OPERATOR,
     .body = BODY_NONE,
     .handler = get_handle},
    {.method = "PUT",
     .pattern = "/sandbox-templates/{id}/warm-pool",
     .scope = SCOPE_OPERATOR,
     .body = BODY_JSON,
     .handler = put_handle},
    {0},
};
