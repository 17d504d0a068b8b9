#include "store/store.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUSY_TIMEOUT_MS = 5000,
    /* The log is moved into the database from this size on, by store_maintain. */
    WAL_PAGES_HIGH = 1000,
    /* What the hot path does itself when maintenance never comes. */
    WAL_PAGES_LIMIT = 20000,
    PRUNE_ROWS_MAX = 5000,
};

static const int64_t day_ms = 24LL * 3600 * 1000;

struct store *store_lock(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    return store;
}

void store_unlock(struct store **store)
{
    if (*store) {
        pthread_mutex_unlock(&(*store)->mutex);
    }
}

int store_fail(struct store *store, struct error *err, const char *what)
{
    int code = sqlite3_errcode(store->db) & 0xff;
    return error_set(err, code == SQLITE_FULL ? ERR_CAPACITY : ERR_INTERNAL, 0, "database: %s: %s",
                     what, sqlite3_errmsg(store->db));
}

int store_find_statement(struct store *store, sqlite3_stmt **ret_statement, const char *sql,
                         struct error *err)
{
    for (int i = 0; i < store->statement_count; i++) {
        if (store->statements[i].sql == sql) {
            *ret_statement = store->statements[i].statement;
            sqlite3_reset(*ret_statement);
            return 0;
        }
    }
    assert(store->statement_count < STATEMENTS_MAX);
    struct cached_statement *slot = &store->statements[store->statement_count];
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->statement, NULL) !=
        SQLITE_OK) {
        return store_fail(store, err, "prepare");
    }
    slot->sql = sql;
    store->statement_count++;
    *ret_statement = slot->statement;
    return 0;
}

static sqlite3_stmt *prepare_list(struct store *store, struct error *err, const char *sql,
                                  const char *types, va_list args)
{
    sqlite3_stmt *statement = NULL;
    if (store_find_statement(store, &statement, sql, err) < 0) {
        return NULL;
    }
    assert(sqlite3_bind_parameter_count(statement) == (int)strlen(types));
    for (int i = 0; types[i]; i++) {
        assert(types[i] == 't' || types[i] == 'i');
        int result = types[i] == 'i'
                         ? sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t))
                         : sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1,
                                             SQLITE_TRANSIENT);
        if (result != SQLITE_OK) {
            store_fail(store, err, "bind");
            return NULL;
        }
    }
    return statement;
}

int store_step(struct store *store, sqlite3_stmt *statement, struct error *err)
{
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        return 1;
    }
    if (result != SQLITE_DONE) {
        store_fail(store, err, "step");
    }
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? 0 : -1;
}

int store_execute(struct store *store, struct error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = prepare_list(store, err, sql, types, args);
    va_end(args);
    return statement && store_step(store, statement, err) >= 0 ? 0 : -1;
}

int store_first_row(struct store *store, sqlite3_stmt **ret_statement, struct error *err,
                    const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    *ret_statement = prepare_list(store, err, sql, types, args);
    va_end(args);
    return *ret_statement ? store_step(store, *ret_statement, err) : -1;
}

void store_column_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    const unsigned char *value = sqlite3_column_text(statement, column);
    snprintf(text, size, "%s", value ? (const char *)value : "");
}

int store_begin(struct store *store, struct error *err)
{
    return store_execute(store, err, "BEGIN IMMEDIATE", "");
}

int store_end(struct store *store, int result, struct error *err)
{
    if (result == 0 && store_execute(store, err, "COMMIT", "") == 0) {
        return 0;
    }
    if (!sqlite3_get_autocommit(store->db)) {
        store_execute(store, NULL, "ROLLBACK", "");
    }
    return -1;
}

bool store_not_unique(struct store *store, const char *column)
{
    int code = sqlite3_extended_errcode(store->db);
    return (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) &&
           strstr(sqlite3_errmsg(store->db), column);
}

static int on_wal_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    struct store *store = context;
    store->wal_pages = pages;
    if (pages > WAL_PAGES_LIMIT) {
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

static int run_sql(struct store *store, const char *sql, struct error *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : store_fail(store, err, sql);
}

static int open_connections(struct store *store, const char *path, struct error *err)
{
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK) {
        return error_set(err, ERR_INTERNAL, 0, "open the database %s: %s", path,
                         store->db ? sqlite3_errmsg(store->db) : "out of memory");
    }
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    if (run_sql(store,
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
                "PRAGMA trusted_schema=OFF;",
                err) < 0) {
        return error_prefix(err, "open %s", path);
    }
    sqlite3_wal_hook(store->db, on_wal_commit, store);
    if (sqlite3_open_v2(path, &store->maintenance, flags, NULL) != SQLITE_OK) {
        return error_set(err, ERR_INTERNAL, 0, "open the database %s a second time", path);
    }
    return 0;
}

struct store *store_open(const char *path, struct error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store) {
        error_set(err, ERR_INTERNAL, errno, "open the store");
        return NULL;
    }
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->maintenance_mutex, NULL);
    store->key_cache = key_cache_new();
    if (!store->key_cache || open_connections(store, path, err) < 0 ||
        store_migrate(store, err) < 0) {
        return store_close(store);
    }
    return store;
}

struct store *store_close(struct store *store)
{
    if (!store) {
        return NULL;
    }
    for (int i = 0; i < store->statement_count; i++) {
        sqlite3_finalize(store->statements[i].statement);
    }
    sqlite3_close(store->maintenance);
    sqlite3_close(store->db);
    key_cache_free(store->key_cache);
    pthread_mutex_destroy(&store->maintenance_mutex);
    pthread_mutex_destroy(&store->mutex);
    free(store);
    return NULL;
}

static int prune_table(struct store *store, const char *sql, int64_t before_ms, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, sql, "ii", before_ms, (int64_t)PRUNE_ROWS_MAX);
}

int store_prune(struct store *store, struct error *err)
{
    int64_t now_ms = clock_realtime_ms();
    if (prune_table(store,
                    "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency"
                    " WHERE created_ms < ?1 LIMIT ?2)",
                    now_ms - day_ms, err) < 0 ||
        prune_table(store,
                    /* the newest one stays: numbers must not begin again */
                    "DELETE FROM events WHERE seq IN (SELECT seq FROM (SELECT seq, at_ms FROM"
                    " events ORDER BY seq LIMIT ?2) WHERE at_ms < ?1)"
                    " AND seq < (SELECT max(seq) FROM events)",
                    now_ms - STORE_EVENT_DAYS * day_ms, err) < 0) {
        return -1;
    }
    if (prune_table(store,
                    "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries"
                    " WHERE created_ms < ?1 LIMIT ?2)",
                    now_ms - STORE_EVENT_DAYS * day_ms, err) < 0) {
        return -1;
    }
    return prune_table(store,
                       "DELETE FROM sandboxes WHERE id IN (SELECT id FROM sandboxes"
                       " WHERE state = 'destroyed' AND destroyed_ms < ?1 LIMIT ?2)",
                       now_ms - STORE_DESTROYED_DAYS * day_ms, err);
}

void store_checkpoint(struct store *store)
{
    int pages;
    {
        struct store *locked STORE_LOCKED = store_lock(store);
        pages = store->wal_pages;
    }
    if (pages < WAL_PAGES_HIGH) {
        return;
    }
    pthread_mutex_lock(&store->maintenance_mutex);
    sqlite3_wal_checkpoint_v2(store->maintenance, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    pthread_mutex_unlock(&store->maintenance_mutex);
}
