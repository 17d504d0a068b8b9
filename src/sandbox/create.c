#include "sandbox/snapshot_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>

static const char *text_of(json_t *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

static json_t *json_ref_of(json_t *request, const char *key)
{
    json_t *value = json_object_get(request, key);
    return json_is_null(value) ? NULL : json_incref(value);
}

/* The caller's ids for workspace, user and project, or NULL when there are none. */
static json_t *external_of(json_t *request)
{
    static const char *const keys[] = {"external_workspace_id", "external_user_id",
                                       "external_project_id"};
    json_t *external = json_object();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *value = json_object_get(request, keys[i]);
        if (json_is_string(value)) {
            json_object_set(external, keys[i], value);
        }
    }
    if (json_object_size(external) == 0) {
        json_decref(external);
        return NULL;
    }
    return external;
}

static int place(struct sandboxes *sandboxes, const struct principal *principal, json_t *request,
                 struct sandbox_record *record, struct error *err)
{
    struct placement_request wanted = {
        .workspace_id = text_of(request, "workspace_id"),
        .workspace_slug = text_of(request, "workspace_slug"),
        .workspace_name = text_of(request, "workspace_name"),
        .project_id = text_of(request, "project_id"),
        .project_slug = text_of(request, "project_slug"),
        .project_name = text_of(request, "project_name"),
    };
    struct placement found = {0};
    if (store_placement_resolve(sandboxes->store, principal, &wanted, &found, err) < 0) {
        return -1;
    }
    snprintf(record->workspace_id, sizeof(record->workspace_id), "%s", found.workspace_id);
    snprintf(record->workspace_slug, sizeof(record->workspace_slug), "%s", found.workspace_slug);
    snprintf(record->workspace_name, sizeof(record->workspace_name), "%s", found.workspace_name);
    snprintf(record->project_id, sizeof(record->project_id), "%s", found.project_id);
    snprintf(record->project_slug, sizeof(record->project_slug), "%s", found.project_slug);
    snprintf(record->project_name, sizeof(record->project_name), "%s", found.project_name);
    return 0;
}

/* Saved processes include those services: what is asked for comes to them. */
static json_t *services_beside(json_t *saved, json_t *asked)
{
    json_t *all = json_copy(saved);
    json_object_update(all, asked);
    json_decref(asked);
    return all;
}

/* An app and services that the request does not name go on as they were in the sandbox that the files are of. */
static void describe_origin(const struct sandbox_origin *origin, struct sandbox_record *record)
{
    bool asked = record->app || record->services;
    if (origin->memory && record->services) {
        record->services =
            services_beside(json_object_get(origin->definition, "services"), record->services);
    }
    /* a snapshot for one fork is gone by then */
    snprintf(record->snapshot_id, sizeof(record->snapshot_id), "%s",
             origin->temporary ? "" : origin->snapshot_id);
    if (!record->services) {
        record->services = json_ref_of(origin->definition, "services");
    }
    if (!record->app) {
        record->app = json_ref_of(origin->definition, "app");
    }
    /* for processes that are resumed: what had not been started when they were saved */
    record->start_pending =
        asked ? 2 : json_integer_value(json_object_get(origin->definition, "start_pending"));
}

static void describe(const struct principal *principal, const struct sandbox_spec *spec,
                     struct sandbox_record *record)
{
    id_make("sbx_", record->id);
    snprintf(record->tenant_id, sizeof(record->tenant_id), "%s", principal->tenant_id);
    snprintf(record->owner_id, sizeof(record->owner_id), "%s", principal->user_id);
    snprintf(record->name, sizeof(record->name), "%s", spec->name);
    snprintf(record->slug, sizeof(record->slug), "%s", spec->slug);
    if (!record->slug[0]) {
        slug_make(record->slug);
    }
    snprintf(record->template_id, sizeof(record->template_id), "%s", spec->template_definition->id);
    snprintf(record->image_id, sizeof(record->image_id), "%s", spec->template_definition->image_id);
    snprintf(record->workdir, sizeof(record->workdir), "%s", spec->template_definition->workdir);
    snprintf(record->size, sizeof(record->size), "%s", spec->size);
    record->cpu_count = spec->cpu_count;
    record->memory_mb = spec->memory_mb;
    record->disk_mb = spec->disk_mb;
    record->process_limit = spec->process_limit;
    record->network = spec->network;
    record->persistent = spec->persistent;
    record->always_on = spec->always_on;
    record->auto_resume = spec->auto_resume;
    record->timeout_sec = spec->timeout_sec;
    record->idle_timeout_sec = spec->idle_timeout_sec;
    record->files = 1;
    record->created_ms = clock_realtime_ms();
    record->env = json_ref_of(spec->request, "env");
    json_t *metadata = json_object_get(spec->request, "metadata");
    record->metadata = json_is_object(metadata) ? metadata_without_own(metadata) : NULL;
    record->tags = json_ref_of(spec->request, "tags");
    record->external = external_of(spec->request);
    record->services = json_object_size(spec->services) ? json_incref(spec->services) : NULL;
    record->app = spec->auto_start ? json_pack("{s:b}", "auto_start", true) : NULL;
    if (spec->origin) {
        describe_origin(spec->origin, record);
    }
}

static int insert(struct sandboxes *sandboxes, const struct sandbox_record *record,
                  const struct sandbox_spec *spec, struct error *err)
{
    char stamp[CLOCK_ISO8601_SIZE];
    json_t *data = json_pack("{s:s, s:n, s:s}", "state", record->state, "previous_state",
                             "timestamp", clock_iso8601(record->created_ms, stamp));
    struct store_claim_ref claim = {spec->idempotency_route, spec->idempotency_key};
    int result = store_sandbox_insert(sandboxes->store, record, claim,
                                      (struct store_event){"state_changed", data}, err);
    json_decref(data);
    events_notify(sandboxes->events);
    return result;
}

/* Writes the record and registers the sandbox, busy, its mutex held. NULL with err. */
static struct sandbox *record_new(struct sandboxes *sandboxes, const struct principal *principal,
                                  const struct sandbox_spec *spec, const char *engine,
                                  struct error *err)
{
    struct sandbox_record record = {0};
    if (place(sandboxes, principal, spec->request, &record, err) < 0) {
        return NULL;
    }
    describe(principal, spec, &record);
    snprintf(record.engine, sizeof(record.engine), "%s", engine);
    snprintf(record.state, sizeof(record.state), "%s", sandbox_state_name(SANDBOX_PROVISIONING));
    sandbox_state_check(&record, SANDBOX_PROVISIONING);
    struct sandbox *sandbox = sandbox_new(&record, SANDBOX_PROVISIONING);
    if (!sandbox) {
        sandbox_record_clear(&record);
        error_set(err, ERR_INTERNAL, ENOMEM, "create a sandbox");
        return NULL;
    }
    if (insert(sandboxes, &record, spec, err) < 0) {
        sandbox_unref(sandbox);
        return NULL;
    }
    sandbox->busy = true;
    sandbox->counted = true;
    sandbox->sequence = atomic_fetch_add(&sandboxes->sequence, 1);
    registry_add(sandboxes, sandbox);
    pthread_mutex_lock(&sandbox->mutex);
    return sandbox;
}

/* Starts what was recorded. On -1 the record says why. */
static int start_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                      const struct sandbox_origin *origin, struct error *err)
{
    struct sandbox_record next = sandbox->record;
    struct disk_source disk = {0};
    if (origin) {
        disk = (struct disk_source){.snapshot_id = origin->snapshot_id,
                                    .digest = origin->digest,
                                    .files_only = !origin->memory,
                                    .memory = origin->memory};
    }
    if (change_host_create(sandboxes, sandbox, &next, disk, err) < 0) {
        return -1;
    }
    FAULT_POINT("daemon.create.started");
    if (change_commit(sandboxes, sandbox, &next, SANDBOX_RUNNING, NULL, err) < 0) {
        struct error undo = {0};
        if (change_host_destroy(sandboxes, sandbox, false, &undo) < 0) {
            sandbox->unresolved = true;
        }
        return -1;
    }
    FAULT_POINT("daemon.create.committed");
    return 0;
}

/* Whether the host made it or not will be seen later; its names must not wait for that. */
static void give_up_names(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct sandbox_record next = sandbox->record;
    struct error ignored = {0};
    next.name[0] = '\0';
    slug_make(next.slug);
    change_commit_fields(sandboxes, sandbox, &next, &ignored);
}

/* Leaves a record that says why, and nothing else. */
static void record_failure(struct sandboxes *sandboxes, struct sandbox *sandbox,
                           const struct error *why)
{
    struct error ignored = {0};
    atomic_fetch_add(&sandboxes->create_failed_total, 1);
    log_warn("sandbox.create_failed", "id=%s error=%s", sandbox->id, why->message);
    if (!sandbox->unresolved && fail_busy(sandboxes, sandbox, why->message, false, &ignored) < 0) {
        sandbox->unresolved = true;
    }
    if (sandbox->unresolved) {
        give_up_names(sandboxes, sandbox);
    }
}

int sandbox_create(struct sandboxes *sandboxes, const struct principal *principal,
                   const struct sandbox_spec *spec, json_t **ret_json, struct error *err)
{
    char engine[sizeof(spec->engine)];
    if (origin_check(spec, err) < 0 || change_need_host(sandboxes, err) < 0 ||
        sandboxes_choose_engine(sandboxes, spec->engine, engine, err) < 0 ||
        registry_reserve(sandboxes, principal->tenant_id, err) < 0) {
        return -1;
    }
    struct sandbox *sandbox = record_new(sandboxes, principal, spec, engine, err);
    if (!sandbox) {
        registry_release(sandboxes, principal->tenant_id);
        return -1;
    }
    FAULT_POINT("daemon.create.recorded");
    int result = start_busy(sandboxes, sandbox, spec->origin, err);
    if (result < 0) {
        record_failure(sandboxes, sandbox, err);
    } else {
        atomic_fetch_add(&sandboxes->created_total, 1);
        atomic_fetch_add(&sandboxes->snapshot_totals.forked, spec->origin != NULL);
        if (ret_json) {
            *ret_json = sandbox_object(sandboxes, &sandbox->record, sandbox);
        }
    }
    change_end(sandboxes, sandbox);
    return result;
}
