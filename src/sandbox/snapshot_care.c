/*
 * A snapshot is a record and files. After a crash of either daemon one may be without the other:
 *
 *   record      files     then
 *   creating    any       both are removed: nobody was told of it
 *   ready       missing   failed, with the reason
 *   failed      any       left for its owner to delete
 *   none        there     removed: of a snapshot that was cut short or deleted, or of a fork that is over
 */
#include "sandbox/snapshot_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { EXPIRE_MAX = 16, EXPIRE_INTERVAL_MS = 1000 };

struct care {
    struct sandboxes *sandboxes;
    struct store_snapshot *records; /* newest first */
    size_t record_count;
    struct host_snapshot_id *files; /* in order of id */
    size_t file_count;
    bool again;
};

static int compare_id_to_file(const void *id, const void *file)
{
    return strcmp(id, ((const struct host_snapshot_id *)file)->id);
}

static int compare_id_to_record(const void *id, const void *record)
{
    return strcmp(((const struct store_snapshot *)record)->id, id); /* newest first */
}

/* A record that says creating, and nobody is at it. */
static void remove_cut_short(struct care *care, const char *id)
{
    struct sandboxes *sandboxes = care->sandboxes;
    struct store_snapshot snapshot;
    struct snapshot_hold hold;
    struct error err = {0};
    if (hold_begin(sandboxes, &hold, id, SNAPSHOT_HOLD_DELETING, NULL, &err) < 0) {
        return; /* it is being taken */
    }
    /* It may have become ready before it was held. */
    int found = store_snapshot_find(sandboxes->store, NULL, id, &snapshot, &err);
    if (found > 0 && snapshot.status == SNAPSHOT_CREATING) {
        log_warn("snapshot.cut_short", "id=%s", id);
        if (host_snapshot_remove(sandboxes->host, id, &err) < 0 ||
            store_snapshot_delete(sandboxes->store, &snapshot, (struct store_event){0}, &err) < 0) {
            log_warn("snapshot.unsettled", "id=%s error=%s", id, err.message);
            care->again = true;
        }
    }
    if (found > 0) {
        store_snapshot_clear(&snapshot);
    }
    hold_end(sandboxes, &hold);
}

static void settle_record(struct care *care, const struct store_snapshot *record)
{
    struct error err = {0};
    if (record->status == SNAPSHOT_CREATING) {
        remove_cut_short(care, record->id);
        return;
    }
    bool there = care->file_count && bsearch(record->id, care->files, care->file_count,
                                             sizeof(*care->files), compare_id_to_file);
    if (record->status == SNAPSHOT_READY && !there) {
        log_error("snapshot.lost", "id=%s", record->id);
        if (store_snapshot_fail(care->sandboxes->store, record->id,
                                "its files are missing on the host", &err) < 0) {
            care->again = true;
        }
    }
}

/* Files that no record told of when the records were read: looked at again once nobody is at them. */
static void settle_files(struct care *care, const char *id)
{
    struct sandboxes *sandboxes = care->sandboxes;
    struct store_snapshot snapshot;
    struct snapshot_hold hold;
    struct error err = {0};
    if (hold_begin(sandboxes, &hold, id, SNAPSHOT_HOLD_DELETING, NULL, &err) < 0) {
        return;
    }
    int found = store_snapshot_find(sandboxes->store, NULL, id, &snapshot, &err);
    if (found > 0) {
        store_snapshot_clear(&snapshot);
    } else if (found < 0 || host_snapshot_remove(sandboxes->host, id, &err) < 0) {
        log_warn("snapshot.unsettled", "id=%s error=%s", id, err.message);
        care->again = true;
    } else {
        log_info("snapshot.removed", "id=%s reason=no_record", id);
    }
    hold_end(sandboxes, &hold);
}

static void settle(struct care *care)
{
    for (size_t i = 0; i < care->record_count; i++) {
        settle_record(care, &care->records[i]);
    }
    for (size_t i = 0; i < care->file_count; i++) {
        const char *id = care->files[i].id;
        if (!care->record_count || !bsearch(id, care->records, care->record_count,
                                            sizeof(*care->records), compare_id_to_record)) {
            settle_files(care, id);
        }
    }
}

void snapshots_reconcile(struct sandboxes *sandboxes, bool *ret_again)
{
    static const struct store_snapshot_filter all = {.limit = INT64_MAX};
    struct care care = {.sandboxes = sandboxes};
    struct error err = {0};
    /* Records first: what is ready then had its files before they are listed. */
    if (store_snapshot_list(sandboxes->store, &all, &care.records, &care.record_count, NULL, &err) <
            0 ||
        host_snapshot_list(sandboxes->host, &care.files, &care.file_count, &err) < 0) {
        log_warn("snapshot.unsettled", "error=%s", err.message);
        care.again = true;
    } else {
        settle(&care);
    }
    store_snapshots_free(care.records, care.record_count);
    free(care.files);
    *ret_again = *ret_again || care.again;
}

/* What is held is not deleted; it is looked at again in the next round. */
static void expire(struct sandboxes *sandboxes, const char *id, int64_t now_ms)
{
    struct store_snapshot snapshot;
    struct snapshot_hold hold;
    struct error err = {0};
    if (hold_begin(sandboxes, &hold, id, SNAPSHOT_HOLD_DELETING, NULL, &err) < 0) {
        return;
    }
    /* It may have been used before it was held. */
    int found = store_snapshot_find(sandboxes->store, NULL, id, &snapshot, &err);
    if (found > 0) {
        if (snapshot.expires_ms && snapshot.expires_ms <= now_ms &&
            snapshot_remove_held(sandboxes, &snapshot, "expired", &err) < 0) {
            log_warn("snapshot.not_expired", "id=%s error=%s", id, err.message);
        }
        store_snapshot_clear(&snapshot);
    }
    hold_end(sandboxes, &hold);
}

void snapshots_expire(struct sandboxes *sandboxes)
{
    struct store_snapshot *expired;
    size_t count;
    struct error err = {0};
    int64_t now_ms = clock_realtime_ms();
    if (!sandboxes->host_connected || clock_monotonic_ms() < sandboxes->expiry_ms) {
        return;
    }
    sandboxes->expiry_ms = clock_monotonic_ms() + EXPIRE_INTERVAL_MS;
    struct store_snapshot_filter filter = {.expired_ms = now_ms, .limit = EXPIRE_MAX};
    if (store_snapshot_list(sandboxes->store, &filter, &expired, &count, NULL, &err) < 0) {
        log_warn("snapshot.expiry", "error=%s", err.message);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        expire(sandboxes, expired[i].id, now_ms);
    }
    store_snapshots_free(expired, count);
}
