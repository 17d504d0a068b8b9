/* Going back to a snapshot, and branching off from one or from a sandbox as it is. */
#include "api/snapshots.h"

#include "api/body_fields.h"
#include "api/sandbox_routes.h"
#include "sandbox/snapshot_names.h"

#include <stdio.h>
#include <string.h>

static bool asks_for_nothing(json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* A restored sandbox has the variables that it has. */
static int check_restore(json_t *body, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "memory") != 0 && !asks_for_nothing(value)) {
            error_set_field(err, ERR_VALIDATION, key, "a restore takes no '%.64s'", key);
            return error_hint(err, "Send {}; to change anything, fork the snapshot.");
        }
    }
    return 0;
}

void restore_handle(struct request *request)
{
    struct error err = {0};
    bool memory;
    json_t *sandbox = NULL;
    if (check_restore(request_json(request), &err) ||
        body_bool(request_json(request), "memory", true, &memory, &err) ||
        sandbox_restore(api_of(request)->sandboxes, request_principal(request),
                        request_param(request, "id"), request_param(request, "snapshot_id"),
                        !memory, &sandbox, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", sandbox));
}

/* Of the sandbox as it is, or of a snapshot of it. */
static int fork_sandbox(struct request *request, json_t **ret_sandbox, struct error *err)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    const struct principal *principal = request_principal(request);
    const char *id = request_param(request, "id"), *snapshot_id;
    json_t *body = request_json(request);
    struct sandbox_origin origin;
    struct sandbox_spec spec = {0};
    if (body_string(body, "snapshot_id", &snapshot_id, err)) {
        return -1;
    }
    if (snapshot_id && *snapshot_id
            ? sandbox_origin_open(sandboxes, principal, id, snapshot_id, body, &origin, err)
            : sandbox_origin_of(sandboxes, principal, id, body, &origin, err)) {
        return -1;
    }
    int result = sandbox_create_of(request, &origin, &spec, ret_sandbox, err);
    sandbox_origin_close(sandboxes, &origin, result == 0);
    return result;
}

void sandbox_fork_handle(struct request *request)
{
    struct error err = {0};
    json_t *sandbox = NULL;
    if (fork_sandbox(request, &sandbox, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 201, sandbox);
}

static void fork_snapshot(struct request *request, const char *id)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    const struct principal *principal = request_principal(request);
    struct error err = {0};
    struct sandbox_origin origin;
    struct sandbox_spec spec = {0};
    json_t *sandbox = NULL, *snapshot = NULL;
    int result =
        sandbox_origin_open(sandboxes, principal, NULL, id, request_json(request), &origin, &err);
    if (result == 0) {
        result = sandbox_create_of(request, &origin, &spec, &sandbox, &err);
        if (result == 0) {
            result = snapshot_get(sandboxes, principal, NULL, origin.snapshot_id, &snapshot, &err);
        }
        sandbox_origin_close(sandboxes, &origin, result == 0);
    }
    if (result) {
        json_decref(sandbox);
        respond_error(request, &err);
        return;
    }
    json_object_set_new(sandbox, "machine_type", json_string("sandbox"));
    respond_json(request, 201, json_pack("{s:o, s:o}", "data", sandbox, "snapshot", snapshot));
}

void snapshot_fork_handle(struct request *request)
{
    fork_snapshot(request, request_param(request, "snapshot_id"));
}

void named_snapshot_deploy_handle(struct request *request)
{
    struct error err = {0};
    json_t *named = NULL;
    if (snapshot_name_get(api_of(request)->sandboxes, request_principal(request),
                          request_param(request, "name"), &named, &err)) {
        respond_error(request, &err);
        return;
    }
    fork_snapshot(request, json_string_value(json_object_get(named, "snapshot_id")));
    json_decref(named);
}
