#include "store/store_snapshots.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"
#include "store/snapshot_query.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
    [SNAPSHOT_CREATING] = "creating", [SNAPSHOT_READY] = "ready", [SNAPSHOT_FAILED] = "failed"};

#define SELECT_SNAPSHOTS                                                                           \
    "SELECT id, tenant_id, sandbox_id, workspace_id, sandbox_name, parent_id, status, comment,"    \
    " error, digest, memory_bytes, disk_bytes, stored_bytes, pause_us, keep, retention_sec,"       \
    " expires_ms, last_used_ms, created_ms, updated_ms, definition, engine,"                       \
    " (SELECT name FROM named_snapshots n WHERE n.snapshot_id = snapshots.id) FROM snapshots "

static const char list_sql[] =
    SELECT_SNAPSHOTS SNAPSHOTS_MATCHING "ORDER BY id DESC LIMIT ?5 OFFSET ?6";
static const char count_sql[] = "SELECT count(*) FROM snapshots " SNAPSHOTS_MATCHING;
static const char expired_sql[] =
    SELECT_SNAPSHOTS "WHERE expires_ms > 0 AND expires_ms <= ?"
                     " AND id NOT IN (SELECT snapshot_id FROM named_snapshots)"
                     " ORDER BY expires_ms LIMIT ?";
static const char find_sql[] = SELECT_SNAPSHOTS "WHERE id = ?1 AND (?2 IS NULL OR tenant_id = ?2)";

const char *snapshot_status_name(enum snapshot_status status)
{
    assert((size_t)status < sizeof(status_names) / sizeof(status_names[0]));
    return status_names[status];
}

static enum snapshot_status parse_status(const char *name)
{
    enum snapshot_status status = SNAPSHOT_CREATING;
    while (status < SNAPSHOT_FAILED && strcmp(status_names[status], name) != 0) {
        status++;
    }
    return status;
}

void store_snapshot_clear(struct store_snapshot *snapshot)
{
    json_decref(snapshot->definition);
    snapshot->definition = NULL;
}

void store_snapshots_free(struct store_snapshot *snapshots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        store_snapshot_clear(&snapshots[i]);
    }
    free(snapshots);
}

static void read_snapshot(sqlite3_stmt *row, struct store_snapshot *snapshot)
{
    char status[16];
    const unsigned char *definition = sqlite3_column_text(row, 20);
    *snapshot = (struct store_snapshot){
        .memory_bytes = sqlite3_column_int64(row, 10),
        .disk_bytes = sqlite3_column_int64(row, 11),
        .stored_bytes = sqlite3_column_int64(row, 12),
        .pause_us = sqlite3_column_int64(row, 13),
        .keep = sqlite3_column_int(row, 14) != 0,
        .retention_sec = sqlite3_column_int64(row, 15),
        .expires_ms = sqlite3_column_int64(row, 16),
        .last_used_ms = sqlite3_column_int64(row, 17),
        .created_ms = sqlite3_column_int64(row, 18),
        .updated_ms = sqlite3_column_int64(row, 19),
        .definition = definition ? json_loads((const char *)definition, 0, NULL) : NULL,
    };
    store_column_text(row, 0, snapshot->id, sizeof(snapshot->id));
    store_column_text(row, 1, snapshot->tenant_id, sizeof(snapshot->tenant_id));
    store_column_text(row, 2, snapshot->sandbox_id, sizeof(snapshot->sandbox_id));
    store_column_text(row, 3, snapshot->workspace_id, sizeof(snapshot->workspace_id));
    store_column_text(row, 4, snapshot->sandbox_name, sizeof(snapshot->sandbox_name));
    store_column_text(row, 5, snapshot->parent_id, sizeof(snapshot->parent_id));
    store_column_text(row, 6, status, sizeof(status));
    store_column_text(row, 7, snapshot->comment, sizeof(snapshot->comment));
    store_column_text(row, 8, snapshot->error, sizeof(snapshot->error));
    store_column_text(row, 9, snapshot->digest, sizeof(snapshot->digest));
    store_column_text(row, 21, snapshot->engine, sizeof(snapshot->engine));
    store_column_text(row, 22, snapshot->name, sizeof(snapshot->name));
    snapshot->status = parse_status(status);
}

/* In the transaction of the insert: 0 when there is room for one more. */
static int check_limit(struct store *store, const char *tenant_id, int64_t max, struct error *err)
{
    sqlite3_stmt *row;
    if (store_first_row(store, &row, err, "SELECT count(*) FROM snapshots WHERE tenant_id = ?", "t",
                        tenant_id) < 0) {
        return -1;
    }
    int64_t count = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return count < max ? 0
                       : error_set(err, ERR_SNAPSHOT_LIMIT, 0, "this tenant has its %lld snapshots",
                                   (long long)max);
}

int store_snapshot_insert(struct store *store, const struct store_snapshot *snapshot, int64_t max,
                          struct error *err)
{
    auto_free char *definition = json_dumps(snapshot->definition, JSON_COMPACT);
    if (!definition) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "record a snapshot");
    }
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = check_limit(store, snapshot->tenant_id, max, err);
    if (result == 0) {
        result = store_execute(
            store, err,
            "INSERT INTO snapshots (id, tenant_id, sandbox_id, workspace_id, sandbox_name,"
            " parent_id, status, comment, error, digest, memory, memory_bytes, disk_bytes,"
            " stored_bytes, pause_us, keep, retention_sec, expires_ms, last_used_ms, created_ms,"
            " updated_ms, definition, engine)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            "ttttttttttiiiiiiiiiiitt", snapshot->id, snapshot->tenant_id, snapshot->sandbox_id,
            snapshot->workspace_id, snapshot->sandbox_name, snapshot->parent_id,
            snapshot_status_name(snapshot->status), snapshot->comment, snapshot->error,
            snapshot->digest, (int64_t)(snapshot->memory_bytes > 0), snapshot->memory_bytes,
            snapshot->disk_bytes, snapshot->stored_bytes, snapshot->pause_us,
            (int64_t)snapshot->keep, snapshot->retention_sec, snapshot->expires_ms,
            snapshot->last_used_ms, snapshot->created_ms, snapshot->updated_ms, definition,
            snapshot->engine);
    }
    return store_end(store, result, err);
}

int store_snapshot_finish(struct store *store, const struct store_snapshot *snapshot,
                          struct store_event event, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = store_execute(
        store, err,
        "UPDATE snapshots SET status = ?, digest = ?, memory = ?, memory_bytes = ?, disk_bytes = ?,"
        " stored_bytes = ?, pause_us = ?, expires_ms = ?, updated_ms = ? WHERE id = ?",
        "ttiiiiiiit", snapshot_status_name(snapshot->status), snapshot->digest,
        (int64_t)(snapshot->memory_bytes > 0), snapshot->memory_bytes, snapshot->disk_bytes,
        snapshot->stored_bytes, snapshot->pause_us, snapshot->expires_ms, snapshot->updated_ms,
        snapshot->id);
    if (result == 0) {
        result = event_insert(store, snapshot->tenant_id, snapshot->sandbox_id, event, err);
    }
    return store_end(store, result, err);
}

int store_snapshot_fail(struct store *store, const char *id, const char *reason, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "UPDATE snapshots SET status = 'failed', error = ?, updated_ms = ?"
                         " WHERE id = ? AND status = 'ready'",
                         "tit", reason, clock_realtime_ms(), id);
}

int store_snapshot_touch(struct store *store, const char *id, int64_t used_ms, int64_t expires_ms,
                         struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "UPDATE snapshots SET last_used_ms = ?1,"
                         " expires_ms = iif(?2 > 0, ?2, expires_ms) WHERE id = ?3",
                         "iit", used_ms, expires_ms, id);
}

int store_snapshot_delete(struct store *store, const struct store_snapshot *snapshot,
                          struct store_event event, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = store_execute(store, err, "DELETE FROM snapshots WHERE id = ?", "t", snapshot->id);
    if (result == 0 && event.type) {
        result = event_insert(store, snapshot->tenant_id, snapshot->sandbox_id, event, err);
    }
    return store_end(store, result, err);
}

int store_snapshot_find(struct store *store, const char *tenant_id, const char *id,
                        struct store_snapshot *ret_snapshot, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err, find_sql, "tt", id, tenant_id);
    if (found == 1) {
        read_snapshot(row, ret_snapshot);
        sqlite3_reset(row);
    }
    return found;
}

/* Reads the rows from the first one on (more: what store_first_row returned). */
static int read_snapshots(struct store *store, sqlite3_stmt *row, int more,
                          struct store_snapshot **ret_snapshots, size_t *ret_count,
                          struct error *err)
{
    struct store_snapshot *snapshots = NULL;
    size_t count = 0, capacity = 0;
    while (more == 1) {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            struct store_snapshot *longer = realloc(snapshots, capacity * sizeof(*snapshots));
            if (!longer) {
                sqlite3_reset(row);
                store_snapshots_free(snapshots, count);
                return error_set(err, ERR_INTERNAL, errno, "read snapshots");
            }
            snapshots = longer;
        }
        read_snapshot(row, &snapshots[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        store_snapshots_free(snapshots, count);
        return -1;
    }
    *ret_snapshots = snapshots;
    *ret_count = count;
    return 0;
}

static int count_matching(struct store *store, const struct store_snapshot_filter *filter,
                          int64_t *ret_total, struct error *err)
{
    sqlite3_stmt *row;
    if (store_first_row(store, &row, err, count_sql, "tttt", filter->tenant_id, filter->sandbox_id,
                        filter->workspace_id, filter->text) < 0) {
        return -1;
    }
    *ret_total = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return 0;
}

int store_snapshot_list(struct store *store, const struct store_snapshot_filter *filter,
                        struct store_snapshot **ret_snapshots, size_t *ret_count,
                        int64_t *ret_total, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more;
    if (ret_total && count_matching(store, filter, ret_total, err) < 0) {
        return -1;
    }
    if (filter->expired_ms) {
        more =
            store_first_row(store, &row, err, expired_sql, "ii", filter->expired_ms, filter->limit);
    } else {
        more = store_first_row(store, &row, err, list_sql, "ttttii", filter->tenant_id,
                               filter->sandbox_id, filter->workspace_id, filter->text,
                               filter->limit, filter->offset);
    }
    return read_snapshots(store, row, more, ret_snapshots, ret_count, err);
}
