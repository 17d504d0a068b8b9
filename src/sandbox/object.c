#include "sandbox/internal.h"

#include "base/clock.h"
#include "base/urls.h"

#include <stdio.h>
#include <string.h>

static void put(json_t *object, const char *key, json_t *value)
{
    json_object_set_new_nocheck(object, key, value);
}

/* null for "". */
static void put_text(json_t *object, const char *key, const char *text)
{
    put(object, key, text[0] ? json_string_nocheck(text) : json_null());
}

static void put_int(json_t *object, const char *key, int64_t value)
{
    put(object, key, json_integer(value));
}

/* null for a negative value. */
static void put_maybe(json_t *object, const char *key, int64_t value)
{
    put(object, key, value >= 0 ? json_integer(value) : json_null());
}

static void put_time(json_t *object, const char *key, int64_t realtime_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    put(object, key,
        realtime_ms ? json_string_nocheck(clock_iso8601(realtime_ms, text)) : json_null());
}

static void put_shared(json_t *object, const char *key, json_t *value)
{
    put(object, key, value ? json_incref(value) : json_null());
}

static void put_names(json_t *object, const struct sandbox_record *record)
{
    put_text(object, "id", record->id);
    put_text(object, "slug", record->slug);
    put_text(object, "name", record->name);
    put_text(object, "tenant_id", record->tenant_id);
    put_text(object, "owner_id", record->owner_id);
    put_text(object, "workspace_id", record->workspace_id);
    put_text(object, "workspace_slug", record->workspace_slug);
    put_text(object, "workspace_name", record->workspace_name);
    put_text(object, "project_id", record->project_id);
    put_text(object, "project_slug", record->project_slug);
    put_text(object, "project_name", record->project_name);
    static const char *const external[] = {"external_workspace_id", "external_user_id",
                                           "external_project_id"};
    for (size_t i = 0; i < sizeof(external) / sizeof(external[0]); i++) {
        put_shared(object, external[i], json_object_get(record->external, external[i]));
    }
}

static json_t *resource_contract(const struct sandbox_record *record)
{
    const char *size = record->size[0] ? record->size : "custom";
    char id[64];
    snprintf(id, sizeof(id), "sandbox/%s@v1", size);
    json_t *contract = json_object();
    put_text(contract, "id", id);
    put_text(contract, "version", "v1");
    put_text(contract, "product", "sandbox");
    put_text(contract, "size", size);
    put_int(contract, "vcpus", record->cpu_count);
    put_int(contract, "memory_mb", record->memory_mb);
    put_int(contract, "disk_size_mb", record->disk_mb);
    return contract;
}

static void put_shape(json_t *object, const struct sandbox_record *record)
{
    put_text(object, "template_id", record->template_id);
    put_text(object, "image_id", record->image_id);
    put_text(object, "size", record->size);
    put(object, "resource_contract", resource_contract(record));
    put_int(object, "cpu_count", record->cpu_count);
    put_int(object, "memory_mb", record->memory_mb);
    put_int(object, "disk_mb", record->disk_mb);
    put_int(object, "disk_size_mb", record->disk_mb);
    put_int(object, "process_limit", record->process_limit);
    put_text(object, "network", record->network == HOST_NETWORK_NONE ? "none" : "egress");
    put(object, "persistent", json_boolean(record->persistent));
    put(object, "always_on", json_boolean(record->always_on));
    put(object, "auto_resume", json_boolean(record->auto_resume));
    put_int(object, "timeout_sec", record->timeout_sec);
    put_int(object, "idle_timeout_sec", record->idle_timeout_sec);
    put_text(object, "engine", record->engine);
    put_text(object, "isolation", record->isolation);
    /* what accelerates a virtual machine; a container runs natively */
    put_text(object, "accel", strcmp(record->accel, "none") == 0 ? "" : record->accel);
}

static void put_boot(json_t *object, const struct sandbox_record *record)
{
    bool booted = record->boot_path[0] != '\0';
    put_text(object, "boot_path", record->boot_path);
    put_maybe(object, "boot_ms", booted ? (record->boot_us + 500) / 1000 : -1);
    put_maybe(object, "boot_us", booted ? record->boot_us : -1);
    put_maybe(object, "envd_ready_ms", booted ? (record->envd_ready_us + 500) / 1000 : -1);
}

json_t *metadata_without_own(json_t *metadata)
{
    if (!json_object_get(metadata, "last_error") && !json_object_get(metadata, "last_pause")) {
        return json_incref(metadata);
    }
    json_t *copy = json_copy(metadata);
    json_object_del(copy, "last_error");
    json_object_del(copy, "last_pause");
    return copy;
}

/* The reason, and what the machine said last. */
static json_t *last_error_of(const struct sandbox_record *record)
{
    return record->last_console[0] ? json_sprintf("%s\nlast console lines:\n%s", record->last_error,
                                                  record->last_console)
                                   : json_string_nocheck(record->last_error);
}

/* The caller's metadata and what atoll adds to it; the caller's own is shared, never changed. */
static json_t *metadata_of(const struct sandbox_record *record)
{
    if (!record->last_error[0] && !record->last_pause_ms) {
        return record->metadata ? json_incref(record->metadata) : json_object();
    }
    json_t *metadata = record->metadata ? json_copy(record->metadata) : json_object();
    if (record->last_error[0]) {
        put(metadata, "last_error", last_error_of(record));
    }
    if (record->last_pause_ms) {
        json_t *pause = json_object();
        put_time(pause, "at", record->last_pause_ms);
        put_text(pause, "source", record->last_pause_source);
        put(metadata, "last_pause", pause);
    }
    return metadata;
}

static void put_preview_url(json_t *object, struct sandboxes *sandboxes,
                            const struct sandbox_record *record)
{
    char url[URL_SIZE], own[PREVIEW_DOMAIN_SIZE];
    bool has_own = sandboxes_preview_domain(sandboxes, record->tenant_id, own);
    url_of_preview(sandboxes->settings, sandboxes->gateway_port, has_own ? own : NULL, record->slug,
                   0, url);
    put_text(object, "preview_url", url);
}

static int64_t last_activity_ms(const struct sandbox_record *record, const struct sandbox *sandbox)
{
    if (!sandbox || !sandbox_state_runs(sandbox->state)) {
        return record->last_activity_ms;
    }
    return clock_realtime_ms() - (clock_monotonic_ms() - sandbox_last_activity_ms(sandbox));
}

static void put_times(json_t *object, const struct sandbox_record *record,
                      const struct sandbox *sandbox)
{
    bool destroyed = record->destroyed_ms != 0;
    put_maybe(object, "total_runtime_sec", destroyed ? record->runtime_ms / 1000 : -1);
    put_time(object, "last_activity_at", last_activity_ms(record, sandbox));
    put_time(object, "created_at", record->created_ms);
    put_time(object, "inserted_at", record->created_ms);
    put_time(object, "started_at", record->started_ms);
    put_time(object, "ready_at", record->ready_ms);
    put_time(object, "destroyed_at", record->destroyed_ms);
}

json_t *sandbox_object(struct sandboxes *sandboxes, const struct sandbox_record *record,
                       const struct sandbox *sandbox)
{
    json_t *object = json_object();
    put_names(object, record);
    put_text(object, "state", record->state);
    put(object, "ready", json_boolean(sandbox && sandbox_state_runs(sandbox->state)));
    bool paused = strcmp(record->state, sandbox_state_name(SANDBOX_PAUSED)) == 0;
    put(object, "paused_with_memory",
        paused ? json_boolean(record->processes || record->memory_saved) : json_null());
    put_shape(object, record);
    put_maybe(object, "timeout_remaining_ms", sandbox ? sandbox_timeout_remaining_ms(sandbox) : -1);
    put_boot(object, record);
    put_text(object, "snapshot_id", record->snapshot_id);
    put_preview_url(object, sandboxes, record);
    put(object, "metadata", metadata_of(record));
    put_shared(object, "tags", record->tags);
    put_text(object, "agent_session_id", record->agent_session_id);
    put(object, "exit_code", json_null());
    put_times(object, record, sandbox);
    return object;
}
