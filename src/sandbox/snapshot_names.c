#include "sandbox/snapshot_names.h"

#include "base/clock.h"
#include "base/log.h"
#include "sandbox/snapshot_internal.h"
#include "sandbox/snapshot_object.h"
#include "store/store_snapshot_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that reads like an id would stand for two things. */
static int check_name(const char *name, struct error *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = strlen(name);
    bool good =
        length > 0 && length < SNAPSHOT_NAME_SIZE && strchr(first, name[0]) &&
        strspn(name + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
            length - 1;
    if (!good || id_valid("snp_", name)) {
        return error_set_field(
            err, ERR_VALIDATION, "name",
            "name must have 1 to %d of A-Z, a-z, 0-9, '.', '_', '-', begin with a "
            "letter or digit and not be a snapshot's id",
            SNAPSHOT_NAME_SIZE - 1);
    }
    return 0;
}

static json_t *name_object(struct sandboxes *sandboxes, const struct store_snapshot_name *name,
                           const struct store_snapshot *snapshot)
{
    char stamp[CLOCK_ISO8601_SIZE];
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "name", name->name, "snapshot_id", snapshot->id,
        "sandbox_id", snapshot->sandbox_id, "status", snapshot_status_name(snapshot->status),
        "size_bytes", (json_int_t)snapshot->stored_bytes, "created_at",
        clock_iso8601(name->created_ms, stamp), "snapshot", snapshot_object(sandboxes, snapshot));
}

/* 1, 0 when there is no such name, -1. Then clear the snapshot. */
static int find(struct sandboxes *sandboxes, const char *tenant_id, const char *name,
                struct store_snapshot_name *ret_name, struct store_snapshot *ret_snapshot,
                struct error *err)
{
    int found = store_snapshot_name_find(sandboxes->store, tenant_id, name, ret_name, err);
    return found > 0 ? store_snapshot_find(sandboxes->store, tenant_id, ret_name->snapshot_id,
                                           ret_snapshot, err)
                     : found;
}

/* The snapshot is held: it does not go meanwhile. */
static int insert_held(struct sandboxes *sandboxes, const struct store_snapshot *snapshot,
                       const char *text, bool made, struct store_snapshot_name *name,
                       struct error *err)
{
    *name = (struct store_snapshot_name){.made = made, .created_ms = clock_realtime_ms()};
    memcpy(name->tenant_id, snapshot->tenant_id, sizeof(name->tenant_id));
    memcpy(name->snapshot_id, snapshot->id, sizeof(name->snapshot_id));
    snprintf(name->name, sizeof(name->name), "%s", text);
    return store_snapshot_name_insert(sandboxes->store, name,
                                      sandboxes->settings->max_named_snapshots, err);
}

static int give(struct sandboxes *sandboxes, const char *tenant_id, const char *text,
                const char *snapshot_id, bool made, json_t **ret_json, struct error *err)
{
    struct snapshot_hold hold;
    struct store_snapshot snapshot;
    struct store_snapshot_name name;
    int result = snapshot_find_held(sandboxes, tenant_id, NULL, snapshot_id, SNAPSHOT_HOLD_NAMING,
                                    &hold, &snapshot, err);
    if (result == 0) {
        result = insert_held(sandboxes, &snapshot, text, made, &name, err);
        if (result == 0) {
            log_info("snapshot.named", "id=%s name=%s", snapshot.id, name.name);
            snprintf(snapshot.name, sizeof(snapshot.name), "%s", name.name);
            *ret_json = name_object(sandboxes, &name, &snapshot);
        }
        store_snapshot_clear(&snapshot);
    }
    hold_end(sandboxes, &hold);
    return result;
}

/* Before files are saved for a name that is refused. */
static int check_free(struct sandboxes *sandboxes, const char *tenant_id, const char *text,
                      struct error *err)
{
    struct store_snapshot_name name;
    int found = store_snapshot_name_find(sandboxes->store, tenant_id, text, &name, err);
    if (found > 0) {
        error_set_field(err, ERR_NAME_TAKEN, "name", "there is a named snapshot '%s' already",
                        name.name);
        return error_hint(err, "Choose another name, or GET /named-snapshots/{name}.");
    }
    return found;
}

static int take_and_give(struct sandboxes *sandboxes, const struct principal *principal,
                         const char *text, const char *sandbox_id, json_t **ret_json,
                         struct error *err)
{
    json_t *snapshot;
    if (check_free(sandboxes, principal->tenant_id, text, err) < 0 ||
        snapshot_create(sandboxes, principal, sandbox_id, NULL, &snapshot, err) < 0) {
        return -1;
    }
    const char *id = json_string_value(json_object_get(snapshot, "id"));
    int result = give(sandboxes, principal->tenant_id, text, id, true, ret_json, err);
    if (result < 0) {
        struct error ignored = {0};
        snapshot_delete(sandboxes, principal, NULL, id, &ignored);
    }
    json_decref(snapshot);
    return result;
}

int snapshot_name_give(struct sandboxes *sandboxes, const struct principal *principal,
                       const char *name, const char *snapshot_id, const char *sandbox_id,
                       json_t **ret_json, struct error *err)
{
    if (check_name(name, err) < 0) {
        return -1;
    }
    return snapshot_id
               ? give(sandboxes, principal->tenant_id, name, snapshot_id, false, ret_json, err)
               : take_and_give(sandboxes, principal, name, sandbox_id, ret_json, err);
}

int snapshot_name_get(struct sandboxes *sandboxes, const struct principal *principal,
                      const char *name, json_t **ret_json, struct error *err)
{
    struct store_snapshot_name found;
    struct store_snapshot snapshot;
    int result = find(sandboxes, principal->tenant_id, name, &found, &snapshot, err);
    if (result == 0) {
        return error_set(err, ERR_NOT_FOUND, 0, "named snapshot not found");
    }
    if (result > 0) {
        *ret_json = name_object(sandboxes, &found, &snapshot);
        store_snapshot_clear(&snapshot);
    }
    return result < 0 ? -1 : 0;
}

/* A name that was given up meanwhile is left out. */
static int add_to_list(struct sandboxes *sandboxes, const struct store_snapshot_name *name,
                       json_t *list, struct error *err)
{
    struct store_snapshot snapshot;
    int found =
        store_snapshot_find(sandboxes->store, name->tenant_id, name->snapshot_id, &snapshot, err);
    if (found > 0) {
        json_array_append_new(list, name_object(sandboxes, name, &snapshot));
        store_snapshot_clear(&snapshot);
    }
    return found < 0 ? -1 : 0;
}

int snapshot_name_list(struct sandboxes *sandboxes, const struct principal *principal,
                       json_t **ret_list, json_t **ret_allowance, struct error *err)
{
    struct store_snapshot_name *names;
    size_t count;
    if (store_snapshot_name_list(sandboxes->store, principal->tenant_id, &names, &count, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = add_to_list(sandboxes, &names[i], list, err);
    }
    free(names);
    if (result < 0) {
        json_decref(list);
        return -1;
    }
    json_int_t included = sandboxes->settings->max_named_snapshots, used = (json_int_t)count;
    *ret_list = list;
    *ret_allowance = json_pack("{s:I, s:I, s:I}", "included", included, "used", used, "remaining",
                               included > used ? included - used : 0);
    return 0;
}

/* What becomes of a snapshot that was taken for a name which is given up. */
static const char *drop_made(struct sandboxes *sandboxes, const struct store_snapshot *snapshot)
{
    struct snapshot_hold hold;
    struct error err = {0};
    if (snapshot->keep ||
        hold_begin(sandboxes, &hold, snapshot->id, SNAPSHOT_HOLD_DELETING, NULL, &err) < 0) {
        return "kept";
    }
    int result = snapshot_remove_held(sandboxes, snapshot, "name", &err);
    hold_end(sandboxes, &hold);
    if (result < 0) {
        log_warn("snapshot.not_deleted", "id=%s error=%s", snapshot->id, err.message);
        return "kept";
    }
    return "deleted";
}

int snapshot_name_release(struct sandboxes *sandboxes, const struct principal *principal,
                          const char *name, json_t **ret_json, struct error *err)
{
    struct store_snapshot_name found;
    struct store_snapshot snapshot;
    if (change_need_host(sandboxes, err) < 0) {
        return -1;
    }
    int result = find(sandboxes, principal->tenant_id, name, &found, &snapshot, err);
    if (result <= 0) {
        return result < 0 ? -1 : error_set(err, ERR_NOT_FOUND, 0, "named snapshot not found");
    }
    result = store_snapshot_name_delete(sandboxes->store, principal->tenant_id, name, err);
    if (result == 0) { /* somebody was faster */
        result = error_set(err, ERR_NOT_FOUND, 0, "named snapshot not found");
    } else if (result > 0) {
        const char *outcome = "released";
        if (found.made) {
            outcome = drop_made(sandboxes, &snapshot);
        } else {
            snapshot_touch(sandboxes, snapshot.id, snapshot.retention_sec);
        }
        log_info("snapshot.name_released", "id=%s name=%s outcome=%s", snapshot.id, found.name,
                 outcome);
        *ret_json = json_pack("{s:s, s:s, s:s}", "name", found.name, "snapshot_id", snapshot.id,
                              "outcome", outcome);
    }
    store_snapshot_clear(&snapshot);
    return result < 0 ? -1 : 0;
}
