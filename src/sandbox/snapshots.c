#include "sandbox/snapshot_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "sandbox/snapshot_object.h"
#include "sandbox/snapshot_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int describe(const struct sandbox_record *record, struct store_snapshot *snapshot,
                    struct error *err)
{
    id_make("snp_", snapshot->id);
    memcpy(snapshot->tenant_id, record->tenant_id, sizeof(snapshot->tenant_id));
    memcpy(snapshot->sandbox_id, record->id, sizeof(snapshot->sandbox_id));
    memcpy(snapshot->workspace_id, record->workspace_id, sizeof(snapshot->workspace_id));
    memcpy(snapshot->sandbox_name, record->name, sizeof(snapshot->sandbox_name));
    memcpy(snapshot->parent_id, record->snapshot_id, sizeof(snapshot->parent_id));
    snprintf(snapshot->engine, sizeof(snapshot->engine), "%.15s", record->engine);
    snapshot->disk_bytes = record->disk_mb * 1024 * 1024;
    snapshot->definition = origin_definition(record);
    return snapshot->definition ? 0 : error_set(err, ERR_INTERNAL, ENOMEM, "describe a snapshot");
}

static json_t *event_of(const struct store_snapshot *snapshot, const char *source)
{
    char stamp[CLOCK_ISO8601_SIZE];
    return json_pack("{s:s, s:s, s:I, s:s*}", "snapshot_id", snapshot->id, "timestamp",
                     clock_iso8601(clock_realtime_ms(), stamp), "size_bytes",
                     (json_int_t)snapshot->stored_bytes, "source", source);
}

/* The files are there: the record says so. */
static int finish(struct sandboxes *sandboxes, struct store_snapshot *snapshot,
                  const struct host_snapshot *taken, struct error *err)
{
    snapshot->status = SNAPSHOT_READY;
    snapshot->updated_ms = clock_realtime_ms();
    snapshot->disk_bytes = taken->disk_bytes;
    snapshot->stored_bytes = taken->stored_bytes;
    snapshot->memory_bytes = taken->memory_bytes;
    snapshot->pause_us = taken->pause_us;
    memcpy(snapshot->digest, taken->digest, sizeof(snapshot->digest));
    json_t *data = event_of(snapshot, NULL);
    int result =
        data ? store_snapshot_finish(sandboxes->store, snapshot,
                                     (struct store_event){"sandbox.snapshot.created", data}, err)
             : error_set(err, ERR_INTERNAL, ENOMEM, "record an event");
    json_decref(data);
    events_notify(sandboxes->events);
    return result;
}

/* Nothing is left of it: files without a record are removed. */
static void give_up(struct sandboxes *sandboxes, const struct store_snapshot *snapshot)
{
    struct error err = {0};
    if (store_snapshot_delete(sandboxes->store, snapshot, (struct store_event){0}, &err) < 0) {
        log_warn("snapshot.record_left", "id=%s error=%s", snapshot->id, err.message);
    }
    watch_request_reconcile(sandboxes);
}

/* The record, then the files, then the record says ready. */
static int create_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       struct store_snapshot *snapshot, struct error *err)
{
    struct host_snapshot taken;
    if (store_snapshot_insert(sandboxes->store, snapshot, sandboxes->settings->max_snapshots, err) <
        0) {
        return -1;
    }
    if (snapshot_take_busy(sandboxes, sandbox, snapshot->id, &taken, err) < 0 ||
        finish(sandboxes, snapshot, &taken, err) < 0) {
        atomic_fetch_add(&sandboxes->snapshot_totals.failed, 1);
        give_up(sandboxes, snapshot);
        return -1;
    }
    atomic_fetch_add(&sandboxes->snapshot_totals.taken, 1);
    FAULT_POINT("daemon.snapshot.committed");
    return 0;
}

static int create_held(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       struct store_snapshot *snapshot, struct error *err)
{
    struct snapshot_hold hold;
    if (snapshot_may_take(sandbox, err) < 0 || describe(&sandbox->record, snapshot, err) < 0 ||
        hold_begin(sandboxes, &hold, snapshot->id, SNAPSHOT_HOLD_TAKING, sandbox->id, err) < 0) {
        return -1;
    }
    int result = create_busy(sandboxes, sandbox, snapshot, err);
    hold_end(sandboxes, &hold);
    return result;
}

int snapshot_create(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *sandbox_id, json_t *options, json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox;
    int64_t now_ms = clock_realtime_ms();
    struct store_snapshot snapshot = {.created_ms = now_ms, .updated_ms = now_ms};
    if (snapshot_options_take(options, &snapshot, err) < 0 ||
        change_need_host(sandboxes, err) < 0 ||
        change_begin(sandboxes, principal, sandbox_id, &sandbox, err) < 0) {
        return -1;
    }
    int result = create_held(sandboxes, sandbox, &snapshot, err);
    change_end(sandboxes, sandbox);
    if (result == 0) {
        log_info("snapshot.created", "id=%s sandbox=%s bytes=%lld pause_us=%lld", snapshot.id,
                 snapshot.sandbox_id, (long long)snapshot.stored_bytes,
                 (long long)snapshot.pause_us);
        *ret_json = snapshot_object(sandboxes, &snapshot);
    }
    store_snapshot_clear(&snapshot);
    return result;
}

int snapshot_get(struct sandboxes *sandboxes, const struct principal *principal,
                 const char *sandbox_id, const char *id, json_t **ret_json, struct error *err)
{
    struct store_snapshot snapshot;
    if (snapshot_find(sandboxes, principal->tenant_id, sandbox_id, id, &snapshot, err) < 0) {
        return -1;
    }
    *ret_json = snapshot_object(sandboxes, &snapshot);
    store_snapshot_clear(&snapshot);
    return 0;
}

int snapshot_list(struct sandboxes *sandboxes, const struct principal *principal,
                  const struct store_snapshot_filter *filter, json_t **ret_list, int64_t *ret_total,
                  struct error *err)
{
    struct store_snapshot_filter mine = *filter;
    struct store_snapshot *snapshots;
    size_t count;
    mine.tenant_id = principal->tenant_id;
    if (store_snapshot_list(sandboxes->store, &mine, &snapshots, &count, ret_total, err) < 0) {
        return -1;
    }
    *ret_list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(*ret_list, snapshot_object(sandboxes, &snapshots[i]));
    }
    store_snapshots_free(snapshots, count);
    return 0;
}

int snapshot_groups(struct sandboxes *sandboxes, const struct principal *principal,
                    const struct store_snapshot_filter *filter, json_t **ret_list,
                    int64_t *ret_total, struct error *err)
{
    struct store_snapshot_filter mine = *filter;
    struct store_snapshot_group *groups;
    size_t count;
    mine.tenant_id = principal->tenant_id;
    if (store_snapshot_groups(sandboxes->store, &mine, &groups, &count, ret_total, err) < 0) {
        return -1;
    }
    *ret_list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(*ret_list, snapshot_group_object(sandboxes, &groups[i]));
    }
    free(groups);
    return 0;
}

int snapshot_remove_held(struct sandboxes *sandboxes, const struct store_snapshot *snapshot,
                         const char *source, struct error *err)
{
    struct error problem = {0};
    json_t *data = event_of(snapshot, source);
    int result =
        data ? store_snapshot_delete(sandboxes->store, snapshot,
                                     (struct store_event){"sandbox.snapshot.deleted", data}, err)
             : error_set(err, ERR_INTERNAL, ENOMEM, "record an event");
    json_decref(data);
    if (result < 0) {
        return -1;
    }
    atomic_fetch_add(&sandboxes->snapshot_totals.deleted, 1);
    events_notify(sandboxes->events);
    browsers_drop(sandboxes, snapshot->id);
    FAULT_POINT("daemon.snapshot.deleted");
    /* Without a record it is deleted; files that could not be removed now are removed by reconcile. */
    if (host_snapshot_remove(sandboxes->host, snapshot->id, &problem) < 0) {
        log_warn("snapshot.files_left", "id=%s error=%s", snapshot->id, problem.message);
        watch_request_reconcile(sandboxes);
    }
    log_info("snapshot.deleted", "id=%s source=%s", snapshot->id, source ? source : "api");
    return 0;
}

/* Held for deleting: nobody names it meanwhile. */
static int delete_held(struct sandboxes *sandboxes, const struct principal *principal,
                       const char *id, struct error *err)
{
    struct store_snapshot snapshot;
    if (snapshot_find(sandboxes, principal->tenant_id, NULL, id, &snapshot, err) < 0) {
        return -1;
    }
    int result;
    if (snapshot.name[0]) {
        error_set(err, ERR_SNAPSHOT_IN_USE, 0, "the snapshot is kept under the name '%s'",
                  snapshot.name);
        result = error_hint(err, "Give the name up first: DELETE /named-snapshots/{name}.");
    } else {
        result = snapshot_remove_held(sandboxes, &snapshot, NULL, err);
    }
    store_snapshot_clear(&snapshot);
    return result;
}

int snapshot_delete(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *sandbox_id, const char *id, struct error *err)
{
    struct store_snapshot snapshot;
    struct snapshot_hold hold;
    if (change_need_host(sandboxes, err) < 0 ||
        snapshot_find(sandboxes, principal->tenant_id, sandbox_id, id, &snapshot, err) < 0) {
        return -1;
    }
    store_snapshot_clear(&snapshot);
    int result = hold_begin(sandboxes, &hold, id, SNAPSHOT_HOLD_DELETING, NULL, err);
    if (result == 0) {
        result = delete_held(sandboxes, principal, id, err);
        hold_end(sandboxes, &hold);
    }
    return result;
}

int snapshots_counts(struct sandboxes *sandboxes, struct snapshot_counts *ret_counts,
                     struct error *err)
{
    const struct snapshot_totals *totals = &sandboxes->snapshot_totals;
    *ret_counts = (struct snapshot_counts){
        .taken_total = totals->taken,
        .failed_total = totals->failed,
        .deleted_total = totals->deleted,
        .restored_total = totals->restored,
        .restore_failed_total = totals->restore_failed,
        .forked_total = totals->forked,
        .pauses_total = totals->pauses,
        .pause_us_total = totals->pause_us,
        .views = browsers_count(sandboxes),
    };
    return store_snapshot_stats(sandboxes->store, &ret_counts->stored, err);
}
