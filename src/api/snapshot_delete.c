/* Deleting snapshots, one or many. */
#include "api/snapshots.h"

#include "api/body_fields.h"
#include "api/body_known.h"

#include <string.h>

enum { IDS_MAX = 1000 };

/* sandbox_id NULL: whichever sandbox it is of. */
static void delete_of(struct request *request, const char *sandbox_id)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    const char *id = request_param(request, "snapshot_id");
    struct error err = {0};
    if (snapshot_delete(sandboxes, request_principal(request), sandbox_id, id, &err) == 0) {
        respond_json(request, 200,
                     json_pack("{s:{s:s, s:s}}", "data", "id", id, "status", "deleted"));
    } else if (err.code == ERR_SNAPSHOT_IN_USE) {
        respond_error_details(request, &err,
                              json_pack("{s:o}", "dependents", snapshot_dependents(sandboxes, id)));
    } else {
        respond_error(request, &err);
    }
}

void snapshot_of_sandbox_delete_handle(struct request *request)
{
    delete_of(request, request_param(request, "id"));
}

void snapshot_delete_handle(struct request *request)
{
    delete_of(request, NULL);
}

/* An array of texts; the caller's reference. */
static int take_ids(json_t *body, json_t **ret_ids, struct error *err)
{
    json_t *ids = body_member(body, "ids"), *id;
    size_t index;
    bool good = json_is_array(ids) && json_array_size(ids) <= IDS_MAX;
    json_array_foreach(ids, index, id)
    {
        good = good && json_is_string(id);
    }
    if (!good) {
        return error_set_field(err, ids ? ERR_VALIDATION : ERR_MISSING_PARAM, "ids",
                               "ids must be an array of at most %d snapshot ids", IDS_MAX);
    }
    *ret_ids = json_incref(ids);
    return 0;
}

/* All of a sandbox: its id is given twice. */
static int take_all(struct request *request, json_t *body, const char *resource_id,
                    json_t **ret_ids, struct error *err)
{
    const char *confirm;
    bool all;
    if (body_bool(body, "all", false, &all, err) || body_string(body, "confirm", &confirm, err)) {
        return -1;
    }
    if (!all || !confirm || strcmp(confirm, resource_id) != 0) {
        return error_set_field(err, ERR_VALIDATION, all ? "confirm" : "all",
                               "with resource_id, all must be true and confirm the same id");
    }
    struct store_snapshot_filter filter = {.sandbox_id = resource_id, .limit = INT64_MAX};
    json_t *list, *snapshot;
    size_t index;
    if (snapshot_list(api_of(request)->sandboxes, request_principal(request), &filter, &list, NULL,
                      err)) {
        return -1;
    }
    *ret_ids = json_array();
    json_array_foreach(list, index, snapshot)
    {
        json_array_append(*ret_ids, json_object_get(snapshot, "id"));
    }
    json_decref(list);
    return 0;
}

static int take_wanted(struct request *request, json_t **ret_ids, struct error *err)
{
    static const char *const known[] = {"ids", "resource_id", "all", "confirm", NULL};
    json_t *body = request_json(request);
    const char *resource_id;
    if (body_known(body, known, err) || body_string(body, "resource_id", &resource_id, err)) {
        return -1;
    }
    if (resource_id && body_member(body, "ids")) {
        return error_set_field(err, ERR_VALIDATION, "ids", "give either ids or resource_id");
    }
    return resource_id ? take_all(request, body, resource_id, ret_ids, err)
                       : take_ids(body, ret_ids, err);
}

struct outcome {
    json_t *deleted, *blocked, *not_found;
};

/* -1: something else than what a client can expect went wrong. */
static int delete_one(struct request *request, const char *id, struct outcome *outcome,
                      struct error *err)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    if (snapshot_delete(sandboxes, request_principal(request), NULL, id, err) == 0) {
        json_array_append_new(outcome->deleted, json_string(id));
        return 0;
    }
    if (err->code == ERR_NOT_FOUND) {
        json_array_append_new(outcome->not_found, json_string(id));
        return 0;
    }
    if (err->code == ERR_SNAPSHOT_IN_USE) {
        json_array_append_new(outcome->blocked,
                              json_pack("{s:s, s:o}", "snapshot_id", id, "dependents",
                                        snapshot_dependents(sandboxes, id)));
        return 0;
    }
    return -1;
}

static int delete_all(struct request *request, json_t *ids, struct outcome *outcome,
                      struct error *err)
{
    size_t index;
    json_t *id;
    json_array_foreach(ids, index, id)
    {
        if (delete_one(request, json_string_value(id), outcome, err) < 0) {
            return -1;
        }
        *err = (struct error){0};
    }
    return 0;
}

void snapshots_delete_handle(struct request *request)
{
    struct error err = {0};
    struct outcome outcome = {json_array(), json_array(), json_array()};
    json_t *ids = NULL;
    bool failed = take_wanted(request, &ids, &err) || delete_all(request, ids, &outcome, &err);
    bool all_blocked = json_array_size(outcome.blocked) > 0 &&
                       json_array_size(outcome.blocked) == json_array_size(ids);
    json_t *reply = json_pack("{s:{s:o, s:o, s:o}}", "data", "deleted", outcome.deleted, "blocked",
                              outcome.blocked, "not_found", outcome.not_found);
    if (failed) {
        json_decref(reply);
        respond_error(request, &err);
    } else {
        respond_json(request, all_blocked ? 409 : 200, reply);
    }
    json_decref(ids);
}
