#include "sandbox/snapshot_internal.h"

#include "base/fault.h"
#include "base/log.h"
#include "sandbox/fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Members of a definition that a create request has under the same name. */
static const char *const life[] = {"process_limit",    "persistent", "auto_resume", "timeout_sec",
                                   "idle_timeout_sec", "network",    "env",         "metadata"};
static const char *const amounts[] = {"cpu_count", "memory_mb", "disk_mb"};
static const char *const places[] = {"workspace_id", "workspace_slug", "workspace_name",
                                     "project_id",   "project_slug",   "project_name"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

json_t *origin_definition(const struct sandbox_record *record)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:s,"
        " s:O*, s:O*, s:O*, s:O*, s:O*}",
        "engine", record->engine, "template_id", record->template_id, "image_id", record->image_id,
        "workdir", record->workdir, "size", record->size, "cpu_count",
        (json_int_t)record->cpu_count, "memory_mb", (json_int_t)record->memory_mb, "disk_mb",
        (json_int_t)record->disk_mb, "process_limit", (json_int_t)record->process_limit, "network",
        record->network == HOST_NETWORK_NONE ? "none" : "egress", "persistent",
        (int)record->persistent, "auto_resume", (int)record->auto_resume, "start_pending",
        (json_int_t)record->start_pending, "timeout_sec", (json_int_t)record->timeout_sec,
        "idle_timeout_sec", (json_int_t)record->idle_timeout_sec, "workspace_id",
        record->workspace_id, "project_id", record->project_id, "env", record->env, "metadata",
        record->metadata, "external", record->external, "app", record->app, "services",
        record->services);
}

static bool says(json_t *request, const char *member)
{
    json_t *value = json_object_get(request, member);
    return value && !json_is_null(value);
}

static bool says_any(json_t *request, const char *const *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (says(request, members[i])) {
            return true;
        }
    }
    return false;
}

static void inherit(json_t *request, json_t *definition, const char *member)
{
    json_t *value = json_object_get(definition, member);
    if (value && !says(request, member)) {
        json_object_set(request, member, value);
    }
}

/* A size gives all amounts; without one, those that are not said are the snapshot's. */
static void inherit_shape(json_t *request, json_t *definition)
{
    bool sized = says(request, "size");
    bool changed = says_any(request, amounts, COUNT(amounts)) || says(request, "disk_size_mb");
    json_t *size = json_object_get(definition, "size");
    if (!sized && !changed && json_string_length(size) > 0) {
        json_object_set(request, "size", size);
        return;
    }
    for (size_t i = 0; !sized && i < COUNT(amounts); i++) {
        if (strcmp(amounts[i], "disk_mb") != 0 || !says(request, "disk_size_mb")) {
            inherit(request, definition, amounts[i]);
        }
    }
}

static void inherit_all(json_t *request, json_t *definition)
{
    for (size_t i = 0; i < COUNT(life); i++) {
        inherit(request, definition, life[i]);
    }
    if (!says(request, "image")) {
        inherit(request, definition, "template_id");
    }
    inherit_shape(request, definition);
    const char *engine = json_string_value(json_object_get(request, "engine"));
    if (engine && strcmp(engine, "auto") == 0) {
        json_object_del(request, "engine");
    }
    inherit(request, definition, "engine");
    if (!says_any(request, places, COUNT(places))) {
        inherit(request, definition, "workspace_id");
        inherit(request, definition, "project_id");
    }
    const char *key;
    json_t *value, *external = json_object_get(definition, "external");
    json_object_foreach(external, key, value)
    {
        inherit(request, external, key);
    }
}

/* Fills the origin's request. Takes definition's reference in any case. */
static int complete(struct sandbox_origin *origin, json_t *definition, json_t *request,
                    struct error *err)
{
    origin->definition = definition;
    origin->request = json_copy(request);
    if (!definition || !origin->request) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "read a snapshot's definition");
    }
    json_object_del(origin->request, "snapshot_id");
    inherit_all(origin->request, definition);
    return 0;
}

/* The disk is as large as it was, and a machine's memory and processors are what they were. */
static int check_shape(const struct sandbox_spec *spec, json_t *definition, struct error *err)
{
    const struct {
        const char *member;
        int64_t amount;
        bool fixed;
        const char *unit;
    } shape[] = {{"disk_mb", spec->disk_mb, true, "MiB of disk"},
                 {"memory_mb", spec->memory_mb, spec->origin->memory, "MiB of memory"},
                 {"cpu_count", spec->cpu_count, spec->origin->memory, "processors"}};
    for (size_t i = 0; i < COUNT(shape); i++) {
        const char *member = shape[i].member;
        json_int_t saved = json_integer_value(json_object_get(definition, member));
        if (!shape[i].fixed || shape[i].amount == saved) {
            continue;
        }
        bool other_name = i == 0 && !says(spec->request, member);
        const char *field = says(spec->request, member)                         ? member
                            : other_name && says(spec->request, "disk_size_mb") ? "disk_size_mb"
                                                                                : "size";
        return error_set_field(
            err, ERR_VALIDATION, field,
            "the snapshot has %lld %s: leave %s out, or give a shape with that%s", (long long)saved,
            shape[i].unit, field, i ? ", or memory false for its files only" : "");
    }
    return 0;
}

static int check_memory(const struct sandbox_spec *spec, struct error *err)
{
    if (!spec->origin) {
        return says(spec->request, "memory")
                   ? error_set_field(err, ERR_VALIDATION, "memory",
                                     "memory says what to take of a snapshot; there is none")
                   : 0;
    }
    if (json_is_true(json_object_get(spec->request, "memory")) && !spec->origin->memory) {
        return error_set_field(err, ERR_VALIDATION, "memory",
                               "the snapshot has files only: leave memory out");
    }
    return 0;
}

/* As it was in the definition. */
static int check_same(json_t *definition, const char *member, const char *value, const char *field,
                      struct error *err)
{
    const char *saved = json_string_value(json_object_get(definition, member));
    return saved && strcmp(saved, value) == 0
               ? 0
               : error_set_field(
                     err, ERR_VALIDATION, field,
                     "the snapshot is of %s '%.64s': leave %s out, or use one with that",
                     strcmp(member, "image_id") == 0 ? "image" : member, saved ? saved : "", field);
}

int origin_check(const struct sandbox_spec *spec, struct error *err)
{
    if (check_memory(spec, err) < 0) {
        return -1;
    }
    if (!spec->origin) {
        return 0;
    }
    json_t *definition = spec->origin->definition;
    return check_shape(spec, definition, err) < 0 ||
                   check_same(definition, "engine", spec->engine, "engine", err) < 0 ||
                   check_same(definition, "image_id", spec->template_definition->image_id,
                              "template_id", err) < 0
               ? -1
               : 0;
}

static bool wants_memory(json_t *request)
{
    return !json_is_false(json_object_get(request, "memory"));
}

int sandbox_origin_open(struct sandboxes *sandboxes, const struct principal *principal,
                        const char *sandbox_id, const char *snapshot_id, json_t *request,
                        struct sandbox_origin *ret_origin, struct error *err)
{
    struct store_snapshot snapshot;
    struct sandbox_origin *origin = ret_origin;
    *origin = (struct sandbox_origin){0};
    int result = snapshot_find_held(sandboxes, principal->tenant_id, sandbox_id, snapshot_id,
                                    SNAPSHOT_HOLD_FORK, &origin->hold, &snapshot, err);
    if (result == 0) {
        memcpy(origin->snapshot_id, snapshot.id, sizeof(origin->snapshot_id));
        memcpy(origin->digest, snapshot.digest, sizeof(origin->digest));
        origin->retention_sec = snapshot.retention_sec;
        origin->memory = snapshot.memory_bytes > 0 && wants_memory(request);
        result = complete(origin, snapshot.definition, request, err);
    }
    if (result < 0) {
        snprintf(err->field, sizeof(err->field), "snapshot_id");
        sandbox_origin_close(sandboxes, origin, false);
    }
    return result;
}

/* Before files are saved for a request that is refused. */
static int check_request(struct sandboxes *sandboxes, const struct sandbox_origin *origin,
                         struct error *err)
{
    struct sandbox_spec spec;
    if (sandbox_spec_parse(sandboxes->settings, sandboxes->catalogue, origin->request, &spec, err) <
        0) {
        return -1;
    }
    spec.origin = origin;
    return origin_check(&spec, err);
}

/* Saves the files of the busy sandbox under an id that no record knows. */
static int take_temporary(struct sandboxes *sandboxes, struct sandbox *sandbox, json_t *request,
                          struct sandbox_origin *origin, struct error *err)
{
    struct host_snapshot taken;
    const struct sandbox_record *record = &sandbox->record;
    origin->memory = wants_memory(request) && (record->processes || record->memory_saved) &&
                     engine_saves_memory(sandboxes, record->engine);
    if (snapshot_may_take(sandbox, err) < 0 ||
        complete(origin, origin_definition(record), request, err) < 0 ||
        check_request(sandboxes, origin, err) < 0) {
        return -1;
    }
    id_make("snp_", origin->snapshot_id);
    if (hold_begin(sandboxes, &origin->hold, origin->snapshot_id, SNAPSHOT_HOLD_FORK, sandbox->id,
                   err) < 0 ||
        snapshot_take_busy(sandboxes, sandbox, origin->snapshot_id, &taken, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.fork.taken");
    origin->temporary = true;
    origin->memory = origin->memory && taken.memory_bytes > 0;
    memcpy(origin->digest, taken.digest, sizeof(origin->digest));
    return 0;
}

int sandbox_origin_of(struct sandboxes *sandboxes, const struct principal *principal,
                      const char *sandbox_id, json_t *request, struct sandbox_origin *ret_origin,
                      struct error *err)
{
    struct sandbox *sandbox;
    *ret_origin = (struct sandbox_origin){0};
    if (change_need_host(sandboxes, err) < 0 ||
        change_begin(sandboxes, principal, sandbox_id, &sandbox, err) < 0) {
        return -1;
    }
    int result = take_temporary(sandboxes, sandbox, request, ret_origin, err);
    change_end(sandboxes, sandbox);
    if (result < 0) {
        sandbox_origin_close(sandboxes, ret_origin, false);
    }
    return result;
}

static void remove_temporary(struct sandboxes *sandboxes, const char *snapshot_id)
{
    struct error err = {0};
    if (host_snapshot_remove(sandboxes->host, snapshot_id, &err) < 0) {
        log_warn("snapshot.not_removed", "id=%s error=%s", snapshot_id, err.message);
        watch_request_reconcile(sandboxes); /* a file without a record */
    }
}

void sandbox_origin_close(struct sandboxes *sandboxes, struct sandbox_origin *origin, bool used)
{
    if (origin->temporary) {
        remove_temporary(sandboxes, origin->snapshot_id);
    } else if (used) {
        snapshot_touch(sandboxes, origin->snapshot_id, origin->retention_sec);
    }
    hold_end(sandboxes, &origin->hold);
    json_decref(origin->definition);
    json_decref(origin->request);
    *origin = (struct sandbox_origin){0};
}
