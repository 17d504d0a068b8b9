/* Inside store/: the connection, its statements and its transactions. */
#ifndef ATOLL_STORE_DATABASE_H
#define ATOLL_STORE_DATABASE_H

#include "base/error.h"
#include "store/store_sandboxes.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct key_cache;

enum { STATEMENTS_MAX = 256 }; /* distinct SQL texts in store/ */

struct cached_statement {
    const char *sql; /* a literal: found again by its address */
    sqlite3_stmt *statement;
};

/* Everything but mutex is used under mutex; maintenance under its own. */
struct store {
    pthread_mutex_t mutex;
    sqlite3 *db;
    struct cached_statement statements[STATEMENTS_MAX];
    int statement_count;
    int wal_pages;
    struct key_cache *key_cache;
    pthread_mutex_t maintenance_mutex;
    sqlite3 *maintenance; /* second connection: moves the log into the database off the hot path */
};

struct store *store_lock(struct store *store);
void store_unlock(struct store **store);

/* struct store *locked STORE_LOCKED = store_lock(store); */
#define STORE_LOCKED __attribute__((cleanup(store_unlock), unused))

/* Sets err from the connection's last error; returns -1. */
int store_fail(struct store *store, struct error *err, const char *what);

/* In the next ones sql is a literal and types has one letter a parameter: t text (NULL → NULL),
 * i int64_t. */

/* Runs a statement that returns no rows. */
int store_execute(struct store *store, struct error *err, const char *sql, const char *types, ...);

/* Finds or prepares a statement, for a caller that binds itself. */
int store_find_statement(struct store *store, sqlite3_stmt **ret_statement, const char *sql,
                         struct error *err);

/* Steps: 1 row, 0 end, -1 with err. The statement is reset unless there is a row. */
int store_step(struct store *store, sqlite3_stmt *statement, struct error *err);

/* Prepares, binds and takes the first row: 1 (then read it and sqlite3_reset), 0, -1. */
int store_first_row(struct store *store, sqlite3_stmt **ret_statement, struct error *err,
                    const char *sql, const char *types, ...);

/* Copies a text column, "" for NULL. */
void store_column_text(sqlite3_stmt *statement, int column, char *text, size_t size);

int store_begin(struct store *store, struct error *err);
/* Commits when result is 0, otherwise rolls back. Returns 0, or -1. */
int store_end(struct store *store, int result, struct error *err);

/* Did the last statement fail on a uniqueness constraint that names column ("sandboxes.slug")? */
bool store_not_unique(struct store *store, const char *column);

/* store/events.c: adds an event within the caller's transaction; data is borrowed. Then events_notify. */
int event_insert(struct store *store, const char *tenant_id, const char *sandbox_id,
                 struct store_event event, struct error *err);

/* store/migrations.c: brings the schema up to date. */
int store_migrate(struct store *store, struct error *err);

/* store/keys.c */
struct key_cache *key_cache_new(void);
struct key_cache *key_cache_free(struct key_cache *cache);

#endif
