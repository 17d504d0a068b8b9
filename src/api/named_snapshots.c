/* Snapshots that are kept under a name. */
#include "sandbox/snapshot_names.h"

#include "api/body_fields.h"
#include "api/body_known.h"
#include "api/snapshots.h"

void named_snapshots_handle(struct request *request)
{
    struct error err = {0};
    json_t *list, *allowance;
    if (snapshot_name_list(api_of(request)->sandboxes, request_principal(request), &list,
                           &allowance, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o, s:o}", "data", list, "allowance", allowance));
}

static int give(struct request *request, json_t **ret_json, struct error *err)
{
    static const char *const known[] = {"name", "snapshot_id", "sandbox_id", NULL};
    json_t *body = request_json(request);
    const char *name, *snapshot_id, *sandbox_id;
    if (body_known(body, known, err) || body_string(body, "name", &name, err) ||
        body_string(body, "snapshot_id", &snapshot_id, err) ||
        body_string(body, "sandbox_id", &sandbox_id, err)) {
        return -1;
    }
    if (!name) {
        return error_set_field(err, ERR_MISSING_PARAM, "name", "name is missing");
    }
    if (!snapshot_id && !sandbox_id) {
        error_set_field(err, ERR_MISSING_PARAM, "snapshot_id", "snapshot_id is missing");
        return error_hint(err, "Give snapshot_id, or sandbox_id to take a snapshot now.");
    }
    if (snapshot_id && sandbox_id) {
        return error_set_field(err, ERR_VALIDATION, "sandbox_id",
                               "give either snapshot_id or sandbox_id");
    }
    return snapshot_name_give(api_of(request)->sandboxes, request_principal(request), name,
                              snapshot_id, sandbox_id, ret_json, err);
}

void named_snapshot_create_handle(struct request *request)
{
    struct error err = {0};
    json_t *named;
    if (give(request, &named, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 201, json_pack("{s:o}", "data", named));
}

/* Answers with what act gives for the request's {name}. */
static void respond_named(struct request *request,
                          int (*act)(struct sandboxes *sandboxes, const struct principal *principal,
                                     const char *name, json_t **ret_json, struct error *err))
{
    struct error err = {0};
    json_t *result;
    if (act(api_of(request)->sandboxes, request_principal(request), request_param(request, "name"),
            &result, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", result));
}

void named_snapshot_get_handle(struct request *request)
{
    respond_named(request, snapshot_name_get);
}

void named_snapshot_delete_handle(struct request *request)
{
    respond_named(request, snapshot_name_release);
}
