/* Snapshots of a sandbox, and of the tenant. */
#include "api/snapshots.h"

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 200, OFFSET_MAX = 1000000000 };

static const char *text_filter(const struct request *request, const char *name)
{
    const char *value = request_query(request, name);
    return value && *value ? value : NULL;
}

/* What list finds of the tenant. */
static void respond_list(struct request *request, struct store_snapshot_filter *filter,
                         int (*list)(struct sandboxes *sandboxes, const struct principal *principal,
                                     const struct store_snapshot_filter *filter, json_t **ret_list,
                                     int64_t *ret_total, struct error *err))
{
    struct error err = {0};
    json_t *found = NULL;
    int64_t total = 0;
    if (request_query_int(request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &filter->limit, &err) ||
        request_query_int(request, "offset", 0, OFFSET_MAX, 0, &filter->offset, &err) ||
        list(api_of(request)->sandboxes, request_principal(request), filter, &found, &total,
             &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:o, s:{s:I, s:I, s:I}}", "data", found, "meta", "total",
                           (json_int_t)total, "limit", (json_int_t)filter->limit, "offset",
                           (json_int_t)filter->offset));
}

void snapshots_of_sandbox_handle(struct request *request)
{
    struct store_snapshot_filter filter = {.sandbox_id = request_param(request, "id")};
    struct error err = {0};
    if (sandbox_get(api_of(request)->sandboxes, request_principal(request), filter.sandbox_id, NULL,
                    &err)) {
        respond_error(request, &err);
        return;
    }
    respond_list(request, &filter, snapshot_list);
}

static struct store_snapshot_filter filter_of(const struct request *request)
{
    return (struct store_snapshot_filter){
        .sandbox_id = text_filter(request, "resource_id"),
        .workspace_id = text_filter(request, "workspace_id"),
        .text = text_filter(request, "q"),
    };
}

void snapshots_of_tenant_handle(struct request *request)
{
    struct store_snapshot_filter filter = filter_of(request);
    respond_list(request, &filter, snapshot_list);
}

void snapshot_groups_handle(struct request *request)
{
    struct store_snapshot_filter filter = filter_of(request);
    respond_list(request, &filter, snapshot_groups);
}
