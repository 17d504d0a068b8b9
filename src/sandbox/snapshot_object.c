#include "sandbox/snapshot_object.h"

#include "base/clock.h"

#include <string.h>

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *time_or_null(int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    return realtime_ms ? json_string(clock_iso8601(realtime_ms, text)) : json_null();
}

/* The sandbox that it is of, as it is now. */
static json_t *resource_of(struct sandboxes *sandboxes, const char *sandbox_id, const char *name,
                           const char *workspace_id)
{
    struct sandbox_view view;
    bool lives = sandbox_peek(sandboxes, sandbox_id, NULL, &view);
    enum sandbox_state state = lives ? view.state : SANDBOX_DESTROYED;
    return json_pack("{s:s, s:s, s:o, s:s, s:o}", "type", "sandbox", "id", sandbox_id, "name",
                     text_or_null(name), "state", sandbox_state_name(state), "workspace_id",
                     text_or_null(workspace_id));
}

/* What a sandbox made of it is like, without its variables. */
static void put_shape(json_t *object, json_t *definition)
{
    static const char *const members[] = {"template_id", "image_id",  "workdir",
                                          "cpu_count",   "memory_mb", "disk_mb"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *value = json_object_get(definition, members[i]);
        json_object_set_new(object, members[i], value ? json_incref(value) : json_null());
    }
}

static void put_state(json_t *object, const struct store_snapshot *snapshot)
{
    bool measured = snapshot->digest[0] != '\0';
    json_object_set_new(object, "status", json_string(snapshot_status_name(snapshot->status)));
    json_object_set_new(object, "error", text_or_null(snapshot->error));
    json_object_set_new(object, "engine", text_or_null(snapshot->engine));
    json_object_set_new(object, "memory", json_boolean(snapshot->memory_bytes > 0));
    json_object_set_new(object, "memory_bytes", json_integer(snapshot->memory_bytes));
    json_object_set_new(object, "disk_bytes", json_integer(snapshot->disk_bytes));
    json_object_set_new(object, "size_bytes", json_integer(snapshot->stored_bytes));
    json_object_set_new(object, "digest", text_or_null(snapshot->digest));
    json_object_set_new(object, "source_pause_us",
                        measured ? json_integer(snapshot->pause_us) : json_null());
}

json_t *snapshot_object(struct sandboxes *sandboxes, const struct store_snapshot *snapshot)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "id", snapshot->id,
        "sandbox_id", snapshot->sandbox_id, "resource",
        resource_of(sandboxes, snapshot->sandbox_id, snapshot->sandbox_name,
                    snapshot->workspace_id),
        "comment", text_or_null(snapshot->comment), "keep", (int)snapshot->keep,
        "retention_seconds",
        snapshot->retention_sec ? json_integer(snapshot->retention_sec) : json_null(),
        "named_snapshot", text_or_null(snapshot->name), "browsable",
        snapshot->status == SNAPSHOT_READY, "parent_snapshot_id", text_or_null(snapshot->parent_id),
        "last_used_at", time_or_null(snapshot->last_used_ms), "expires_at",
        time_or_null(snapshot->name[0] ? 0 : snapshot->expires_ms), "created_at",
        time_or_null(snapshot->created_ms), "updated_at", time_or_null(snapshot->updated_ms));
    put_state(object, snapshot);
    put_shape(object, snapshot->definition);
    return object;
}

json_t *snapshot_group_object(struct sandboxes *sandboxes, const struct store_snapshot_group *group)
{
    return json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:s, s:o}", "resource",
        resource_of(sandboxes, group->sandbox_id, group->sandbox_name, group->workspace_id),
        "snapshot_count", (json_int_t)group->count, "named_count", (json_int_t)group->named_count,
        "keep_count", (json_int_t)group->keep_count, "size_bytes", (json_int_t)group->stored_bytes,
        "latest_snapshot_id", group->newest_id, "latest_created_at",
        time_or_null(group->newest_ms));
}
