#include "store/store_snapshot_stats.h"

#include "store/database.h"
#include "store/snapshot_query.h"

#include <errno.h>
#include <stdlib.h>

static const char stats_sql[] =
    "SELECT count(*) FILTER (WHERE status = 'creating'),"
    " count(*) FILTER (WHERE status = 'ready'), count(*) FILTER (WHERE status = 'failed'),"
    " coalesce(sum(stored_bytes), 0), coalesce(sum(memory_bytes), 0),"
    " (SELECT count(*) FROM named_snapshots) FROM snapshots";

/* Columns that are not aggregated are those of the row with max(id), the only such function here. */
static const char groups_sql[] =
    "SELECT sandbox_id, workspace_id, sandbox_name, max(id), created_ms, count(*),"
    " count(*) FILTER (WHERE id IN (SELECT snapshot_id FROM named_snapshots)),"
    " count(*) FILTER (WHERE keep), sum(stored_bytes) FROM snapshots " SNAPSHOTS_MATCHING
    "GROUP BY sandbox_id ORDER BY max(id) DESC LIMIT ?5 OFFSET ?6";
static const char groups_count_sql[] =
    "SELECT count(DISTINCT sandbox_id) FROM snapshots " SNAPSHOTS_MATCHING;

int store_snapshot_stats(struct store *store, struct store_snapshot_stats *ret_stats,
                         struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    if (store_first_row(store, &row, err, stats_sql, "") < 0) {
        return -1;
    }
    for (int status = 0; status <= SNAPSHOT_FAILED; status++) {
        ret_stats->by_status[status] = sqlite3_column_int64(row, status);
    }
    ret_stats->stored_bytes = sqlite3_column_int64(row, 3);
    ret_stats->memory_bytes = sqlite3_column_int64(row, 4);
    ret_stats->named = sqlite3_column_int64(row, 5);
    sqlite3_reset(row);
    return 0;
}

static void read_group(sqlite3_stmt *row, struct store_snapshot_group *group)
{
    *group = (struct store_snapshot_group){
        .newest_ms = sqlite3_column_int64(row, 4),
        .count = sqlite3_column_int64(row, 5),
        .named_count = sqlite3_column_int64(row, 6),
        .keep_count = sqlite3_column_int64(row, 7),
        .stored_bytes = sqlite3_column_int64(row, 8),
    };
    store_column_text(row, 0, group->sandbox_id, sizeof(group->sandbox_id));
    store_column_text(row, 1, group->workspace_id, sizeof(group->workspace_id));
    store_column_text(row, 2, group->sandbox_name, sizeof(group->sandbox_name));
    store_column_text(row, 3, group->newest_id, sizeof(group->newest_id));
}

static int count_groups(struct store *store, const struct store_snapshot_filter *filter,
                        int64_t *ret_total, struct error *err)
{
    sqlite3_stmt *row;
    if (store_first_row(store, &row, err, groups_count_sql, "tttt", filter->tenant_id,
                        filter->sandbox_id, filter->workspace_id, filter->text) < 0) {
        return -1;
    }
    *ret_total = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return 0;
}

int store_snapshot_groups(struct store *store, const struct store_snapshot_filter *filter,
                          struct store_snapshot_group **ret_groups, size_t *ret_count,
                          int64_t *ret_total, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    if (count_groups(store, filter, ret_total, err) < 0) {
        return -1;
    }
    int64_t room = *ret_total < filter->limit ? *ret_total : filter->limit;
    struct store_snapshot_group *groups = calloc((size_t)room + 1, sizeof(*groups));
    if (!groups) {
        return error_set(err, ERR_INTERNAL, errno, "read snapshots");
    }
    size_t count = 0;
    int more = store_first_row(store, &row, err, groups_sql, "ttttii", filter->tenant_id,
                               filter->sandbox_id, filter->workspace_id, filter->text, room,
                               filter->offset);
    while (more == 1) {
        read_group(row, &groups[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        free(groups);
        return -1;
    }
    *ret_groups = groups;
    *ret_count = count;
    return 0;
}
