/* Snapshots: take, look up; the table of their routes. */
#include "api/snapshots.h"

static void create_handle(struct request *request)
{
    struct error err = {0};
    json_t *snapshot = NULL;
    if (snapshot_create(api_of(request)->sandboxes, request_principal(request),
                        request_param(request, "id"), request_json(request), &snapshot, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 201, json_pack("{s:o}", "data", snapshot));
}

/* As older clients ask for it. */
static void legacy_handle(struct request *request)
{
    struct error err = {0};
    json_t *snapshot = NULL;
    if (snapshot_create(api_of(request)->sandboxes, request_principal(request),
                        request_param(request, "id"), request_json(request), &snapshot, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(
        request, 201,
        json_pack("{s:O, s:o}", "snapshot_id", json_object_get(snapshot, "id"), "data", snapshot));
}

static void get_of_sandbox_handle(struct request *request)
{
    struct error err = {0};
    json_t *snapshot = NULL;
    if (snapshot_get(api_of(request)->sandboxes, request_principal(request),
                     request_param(request, "id"), request_param(request, "snapshot_id"), &snapshot,
                     &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", snapshot));
}

static void get_handle(struct request *request)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    const char *id = request_param(request, "snapshot_id");
    struct error err = {0};
    json_t *snapshot = NULL;
    if (snapshot_get(sandboxes, request_principal(request), NULL, id, &snapshot, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:o, s:o}", "data", snapshot, "dependents",
                           snapshot_dependents(sandboxes, id)));
}

#define OF_SANDBOX "/sandboxes/{id}/snapshots"
#define ONE        "/snapshots/{snapshot_id}"

#define READ(route_pattern, route_handler)                                                         \
    {                                                                                              \
        .method = "GET", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_READ,                  \
        .body = BODY_NONE, .handler = route_handler                                                \
    }

#define CHANGE(route_pattern, route_handler, route_flags)                                          \
    {                                                                                              \
        .method = "POST", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_WRITE,                \
        .body = BODY_JSON, .flags = route_flags, .handler = route_handler                          \
    }

#define DELETE(route_pattern, route_handler)                                                       \
    {                                                                                              \
        .method = "DELETE", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_WRITE,              \
        .body = BODY_NONE, .handler = route_handler                                                \
    }

const struct route api_snapshot_routes[] = {
    CHANGE(OF_SANDBOX, create_handle, ROUTE_IDEMPOTENT_KEY),
    CHANGE("/sandboxes/{id}/snapshot", legacy_handle, ROUTE_IDEMPOTENT_KEY),
    READ(OF_SANDBOX, snapshots_of_sandbox_handle),
    READ(OF_SANDBOX "/{snapshot_id}", get_of_sandbox_handle),
    DELETE(OF_SANDBOX "/{snapshot_id}", snapshot_of_sandbox_delete_handle),
    CHANGE("/sandboxes/{id}/restore/{snapshot_id}", restore_handle, 0),
    CHANGE("/sandboxes/{id}/fork", sandbox_fork_handle, ROUTE_IDEMPOTENT_KEY),
    READ("/snapshots", snapshots_of_tenant_handle),
    READ("/snapshots/groups", snapshot_groups_handle),
    READ(ONE "/tree", snapshot_tree_handle),
    READ(ONE "/files", snapshot_files_handle),
    READ("/named-snapshots", named_snapshots_handle),
    CHANGE("/named-snapshots", named_snapshot_create_handle, ROUTE_IDEMPOTENT_KEY),
    READ("/named-snapshots/{name}", named_snapshot_get_handle),
    DELETE("/named-snapshots/{name}", named_snapshot_delete_handle),
    CHANGE("/named-snapshots/{name}/deploy", named_snapshot_deploy_handle, ROUTE_IDEMPOTENT_KEY),
    CHANGE("/snapshots/delete", snapshots_delete_handle, 0),
    READ(ONE, get_handle),
    DELETE(ONE, snapshot_delete_handle),
    CHANGE(ONE "/fork", snapshot_fork_handle, ROUTE_IDEMPOTENT_KEY),
    {0},
};
