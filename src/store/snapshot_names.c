#include "store/store_snapshot_names.h"

#include "store/database.h"

#include <errno.h>
#include <stdlib.h>

#define SELECT_NAMES                                                                               \
    "SELECT tenant_id, snapshot_id, name, made, created_ms FROM named_snapshots WHERE tenant_id "  \
    "= ?1 "

static void read_name(sqlite3_stmt *row, struct store_snapshot_name *name)
{
    *name = (struct store_snapshot_name){
        .made = sqlite3_column_int(row, 3) != 0,
        .created_ms = sqlite3_column_int64(row, 4),
    };
    store_column_text(row, 0, name->tenant_id, sizeof(name->tenant_id));
    store_column_text(row, 1, name->snapshot_id, sizeof(name->snapshot_id));
    store_column_text(row, 2, name->name, sizeof(name->name));
}

/* In the transaction of the insert, behind it. */
static int check_limit(struct store *store, const char *tenant_id, int64_t max, struct error *err)
{
    sqlite3_stmt *row;
    if (store_first_row(store, &row, err,
                        "SELECT count(*) FROM named_snapshots WHERE tenant_id = ?", "t",
                        tenant_id) < 0) {
        return -1;
    }
    int64_t count = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    if (count <= max) {
        return 0;
    }
    error_set(err, ERR_SNAPSHOT_LIMIT, 0, "this tenant has its %lld named snapshots",
              (long long)max);
    return error_hint(err, "Delete a named snapshot, or raise max_named_snapshots "
                           "(ATOLL_MAX_NAMED_SNAPSHOTS).");
}

static int insert(struct store *store, const struct store_snapshot_name *name, struct error *err)
{
    if (store_execute(store, err,
                      "INSERT INTO named_snapshots (tenant_id, name, snapshot_id, made, created_ms)"
                      " VALUES (?, ?, ?, ?, ?)",
                      "tttii", name->tenant_id, name->name, name->snapshot_id, (int64_t)name->made,
                      name->created_ms) == 0) {
        return 0;
    }
    if (store_not_unique(store, "named_snapshots.snapshot_id")) {
        error_set_field(err, ERR_NAME_TAKEN, "snapshot_id", "the snapshot has a name already");
        return error_hint(err, "DELETE /named-snapshots/{name} gives it up.");
    }
    if (store_not_unique(store, "named_snapshots.name")) {
        error_set_field(err, ERR_NAME_TAKEN, "name", "there is a named snapshot '%s' already",
                        name->name);
        return error_hint(err, "Choose another name, or GET /named-snapshots/{name}.");
    }
    return -1;
}

int store_snapshot_name_insert(struct store *store, const struct store_snapshot_name *name,
                               int64_t max, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = insert(store, name, err);
    if (result == 0) {
        result = check_limit(store, name->tenant_id, max, err);
    }
    return store_end(store, result, err);
}

int store_snapshot_name_find(struct store *store, const char *tenant_id, const char *name,
                             struct store_snapshot_name *ret_name, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int found =
        store_first_row(store, &row, err, SELECT_NAMES "AND name = ?2", "tt", tenant_id, name);
    if (found == 1) {
        read_name(row, ret_name);
        sqlite3_reset(row);
    }
    return found;
}

/* Reads the rows from the first one on (more: what store_first_row returned). */
static int read_names(struct store *store, sqlite3_stmt *row, int more,
                      struct store_snapshot_name **names, size_t *count, struct error *err)
{
    size_t capacity = 0;
    while (more == 1) {
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            struct store_snapshot_name *longer = realloc(*names, capacity * sizeof(*longer));
            if (!longer) {
                sqlite3_reset(row);
                return error_set(err, ERR_INTERNAL, errno, "read the named snapshots");
            }
            *names = longer;
        }
        read_name(row, &(*names)[(*count)++]);
        more = store_step(store, row, err);
    }
    return more;
}

int store_snapshot_name_list(struct store *store, const char *tenant_id,
                             struct store_snapshot_name **ret_names, size_t *ret_count,
                             struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    struct store_snapshot_name *names = NULL;
    size_t count = 0;
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err, SELECT_NAMES "ORDER BY name", "t", tenant_id);
    if (read_names(store, row, more, &names, &count, err) < 0) {
        free(names);
        return -1;
    }
    *ret_names = names;
    *ret_count = count;
    return 0;
}

int store_snapshot_name_delete(struct store *store, const char *tenant_id, const char *name,
                               struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM named_snapshots WHERE tenant_id = ? AND name = ?",
                         "tt", tenant_id, name) < 0
               ? -1
               : sqlite3_changes(store->db);
}
