#include "store/store_sandboxes.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"
#include "store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct text_column {
    size_t offset, size;
};

static const struct text_column text_columns[] = {
#define X(member, size_bytes) {offsetof(struct sandbox_record, member), size_bytes},
    SANDBOX_TEXT_COLUMNS(X)
#undef X
};

static const size_t int_columns[] = {
#define X(member) offsetof(struct sandbox_record, member),
    SANDBOX_INT_COLUMNS(X)
#undef X
};

static const size_t json_columns[] = {
#define X(member) offsetof(struct sandbox_record, member),
    SANDBOX_JSON_COLUMNS(X)
#undef X
};

enum {
    TEXT_COUNT = sizeof(text_columns) / sizeof(text_columns[0]),
    INT_COUNT = sizeof(int_columns) / sizeof(int_columns[0]),
    JSON_COUNT = sizeof(json_columns) / sizeof(json_columns[0]),
    JSON_TEXT_MAX = 1024 * 1024,
};

#define TEXT_NAME(member, size_bytes) #member ", "
#define OTHER_NAME(member)            #member ", "
#define TEXT_MARK(member, size_bytes) "?, "
#define OTHER_MARK(member)            "?, "
#define TEXT_SET(member, size_bytes)  #member " = ?, "
#define OTHER_SET(member)             #member " = ?, "
#define TEXT_READ(member, size_bytes) "s." #member ", "
#define OTHER_READ(member)            "s." #member ", "
#define COLUMNS(text, other)                                                                       \
    SANDBOX_TEXT_COLUMNS(text) SANDBOX_INT_COLUMNS(other) SANDBOX_JSON_COLUMNS(other)

static const char insert_sql[] = "INSERT INTO sandboxes (" COLUMNS(
    TEXT_NAME, OTHER_NAME) "updated_ms, id) VALUES (" COLUMNS(TEXT_MARK, OTHER_MARK) "?, ?)";
static const char update_sql[] =
    "UPDATE sandboxes SET " COLUMNS(TEXT_SET, OTHER_SET) "updated_ms = ? WHERE id = ?";
#define SELECT_SQL                                                                                 \
    "SELECT " COLUMNS(TEXT_READ,                                                                   \
                      OTHER_READ) "s.id, w.slug, w.name, p.slug, p.name"                           \
                                  " FROM sandboxes s JOIN workspaces w ON w.id = s.workspace_id"   \
                                  " JOIN projects p ON p.id = s.project_id "
static const char find_sql[] = SELECT_SQL "WHERE s.id = ?";
/* Through the indexes that leave out the history, however long it is. */
static const char living_sql[] =
    SELECT_SQL "WHERE s.id IN (SELECT id FROM sandboxes INDEXED BY sandboxes_slug WHERE files = 1"
               " UNION ALL SELECT id FROM sandboxes INDEXED BY sandboxes_failed"
               " WHERE files = 0 AND state <> 'destroyed') ORDER BY s.id";
static const char destroyed_sql[] =
    SELECT_SQL "WHERE s.state = 'destroyed' AND s.tenant_id = ? ORDER BY s.id DESC LIMIT ?";

static json_t **json_member(struct sandbox_record *record, size_t offset)
{
    return (json_t **)(void *)((char *)record + offset);
}

void sandbox_record_clear(struct sandbox_record *record)
{
    for (size_t i = 0; i < JSON_COUNT; i++) {
        json_t **member = json_member(record, json_columns[i]);
        json_decref(*member);
        *member = NULL;
    }
}

static int bind_json(sqlite3_stmt *statement, int index, json_t *value)
{
    if (!value) {
        return sqlite3_bind_null(statement, index);
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) {
        return SQLITE_NOMEM;
    }
    return sqlite3_bind_text(statement, index, text, -1, free);
}

/* Binds every column, updated_ms and id, in the order of the SQL texts. */
static int bind_record(struct store *store, sqlite3_stmt *statement,
                       const struct sandbox_record *record, struct error *err)
{
    const char *base = (const char *)record;
    int index = 1;
    int result = SQLITE_OK;
    for (size_t i = 0; i < TEXT_COUNT && result == SQLITE_OK; i++) {
        result =
            sqlite3_bind_text(statement, index++, base + text_columns[i].offset, -1, SQLITE_STATIC);
    }
    for (size_t i = 0; i < INT_COUNT && result == SQLITE_OK; i++) {
        const int64_t *value = (const void *)(base + int_columns[i]);
        result = sqlite3_bind_int64(statement, index++, *value);
    }
    for (size_t i = 0; i < JSON_COUNT && result == SQLITE_OK; i++) {
        json_t *const *value = (const void *)(base + json_columns[i]);
        result = bind_json(statement, index++, *value);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(statement, index++, clock_realtime_ms());
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_text(statement, index++, record->id, -1, SQLITE_STATIC);
    }
    return result == SQLITE_OK ? 0 : store_fail(store, err, "bind a sandbox");
}

static json_t *read_json(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? json_loadb(text, strnlen(text, JSON_TEXT_MAX), JSON_DECODE_ANY, NULL) : NULL;
}

static void read_record(sqlite3_stmt *row, struct sandbox_record *record)
{
    *record = (struct sandbox_record){0};
    char *base = (char *)record;
    int column = 0;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        store_column_text(row, column++, base + text_columns[i].offset, text_columns[i].size);
    }
    for (size_t i = 0; i < INT_COUNT; i++) {
        *(int64_t *)(void *)(base + int_columns[i]) = sqlite3_column_int64(row, column++);
    }
    for (size_t i = 0; i < JSON_COUNT; i++) {
        *json_member(record, json_columns[i]) = read_json(row, column++);
    }
    store_column_text(row, column++, record->id, sizeof(record->id));
    store_column_text(row, column++, record->workspace_slug, sizeof(record->workspace_slug));
    store_column_text(row, column++, record->workspace_name, sizeof(record->workspace_name));
    store_column_text(row, column++, record->project_slug, sizeof(record->project_slug));
    store_column_text(row, column++, record->project_name, sizeof(record->project_name));
}

/* Runs insert_sql or update_sql; uniqueness becomes ERR_NAME_TAKEN. */
static int write_record(struct store *store, const char *sql, const struct sandbox_record *record,
                        struct error *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_find_statement(store, &statement, sql, err) < 0 ||
        bind_record(store, statement, record, err) < 0) {
        return -1;
    }
    if (store_step(store, statement, err) >= 0) {
        return 0;
    }
    if (store_not_unique(store, "sandboxes.name")) {
        return error_set_field(err, ERR_NAME_TAKEN, "name", "another sandbox is named '%s'",
                               record->name);
    }
    if (store_not_unique(store, "sandboxes.slug")) {
        return error_set_field(err, ERR_NAME_TAKEN, "slug", "the slug '%s' is taken", record->slug);
    }
    return -1;
}

static int note_claim(struct store *store, const struct sandbox_record *record,
                      struct store_claim_ref claim, struct error *err)
{
    if (!claim.key) {
        return 0;
    }
    return store_execute(store, err,
                         "UPDATE idempotency SET resource_id = ?"
                         " WHERE tenant_id = ? AND route = ? AND key = ? AND status IS NULL",
                         "tttt", record->id, record->tenant_id, claim.route, claim.key);
}

int store_sandbox_insert(struct store *store, const struct sandbox_record *record,
                         struct store_claim_ref claim, struct store_event event, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = write_record(store, insert_sql, record, err);
    if (result == 0) {
        result = note_claim(store, record, claim, err);
    }
    if (result == 0) {
        result = event_insert(store, record->tenant_id, record->id, event, err);
    }
    return store_end(store, result, err);
}

int store_sandbox_update(struct store *store, const struct sandbox_record *record,
                         struct store_event event, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = write_record(store, update_sql, record, err);
    assert(result < 0 || sqlite3_changes(store->db) == 1);
    if (result == 0 && event.type) {
        result = event_insert(store, record->tenant_id, record->id, event, err);
    }
    return store_end(store, result, err);
}

int store_sandbox_find(struct store *store, const char *id, struct sandbox_record *ret_record,
                       struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err, find_sql, "t", id);
    if (found == 1) {
        read_record(row, ret_record);
        sqlite3_reset(row);
    }
    return found;
}

static void free_records(struct sandbox_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sandbox_record_clear(&records[i]);
    }
    free(records);
}

/* Reads the rows from the first one on (more: what store_first_row returned). */
static int read_records(struct store *store, sqlite3_stmt *row, int more,
                        struct sandbox_record **ret_records, size_t *ret_count, struct error *err)
{
    struct sandbox_record *records = NULL;
    size_t count = 0, capacity = 0;
    while (more == 1) {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            struct sandbox_record *longer = realloc(records, capacity * sizeof(*records));
            if (!longer) {
                sqlite3_reset(row);
                free_records(records, count);
                return error_set(err, ERR_INTERNAL, errno, "read sandboxes");
            }
            records = longer;
        }
        read_record(row, &records[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        free_records(records, count);
        return -1;
    }
    *ret_records = records;
    *ret_count = count;
    return 0;
}

int store_sandbox_load_living(struct store *store, struct sandbox_record **ret_records,
                              size_t *ret_count, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err, living_sql, "");
    return read_records(store, row, more, ret_records, ret_count, err);
}

int store_sandbox_load_destroyed(struct store *store, const char *tenant_id, int64_t limit,
                                 struct sandbox_record **ret_records, size_t *ret_count,
                                 struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err, destroyed_sql, "ti", tenant_id, limit);
    return read_records(store, row, more, ret_records, ret_count, err);
}
