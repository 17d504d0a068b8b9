#include "store/store_events.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_MAX = 1024 * 1024 };

#define SELECT_EVENTS "SELECT seq, id, tenant_id, sandbox_id, type, data, at_ms FROM events "

static const char of_all_sql[] = SELECT_EVENTS "WHERE seq > ? ORDER BY seq LIMIT ?";
static const char of_tenant_sql[] =
    SELECT_EVENTS "WHERE tenant_id = ? AND seq > ? ORDER BY seq LIMIT ?";
static const char of_sandbox_sql[] =
    SELECT_EVENTS "WHERE sandbox_id = ? AND seq > ? AND tenant_id = ? ORDER BY seq LIMIT ?";
static const char latest_sql[] =
    SELECT_EVENTS "WHERE sandbox_id = ? AND tenant_id = ? ORDER BY seq DESC LIMIT ?";
static const char range_sql[] =
    "SELECT (SELECT min(seq) FROM events), (SELECT max(seq) FROM events)";

int event_insert(struct store *store, const char *tenant_id, const char *sandbox_id,
                 struct store_event event, struct error *err)
{
    auto_free char *data = json_dumps(event.data, JSON_COMPACT);
    if (!data) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "record an event");
    }
    char id[ID_SIZE];
    return store_execute(store, err,
                         "INSERT INTO events (id, tenant_id, sandbox_id, type, data, at_ms)"
                         " VALUES (?, ?, ?, ?, ?, ?)",
                         "ttttti", id_make("evt_", id), tenant_id, sandbox_id, event.type, data,
                         clock_realtime_ms());
}

int store_event_append(struct store *store, const char *tenant_id, const char *sandbox_id,
                       struct store_event event, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return event_insert(store, tenant_id, sandbox_id, event, err);
}

void stored_events_clear(struct stored_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        json_decref(events->rows[i].data);
    }
    free(events->rows);
    *events = (struct stored_events){0};
}

static void read_event(sqlite3_stmt *row, struct stored_event *event)
{
    *event = (struct stored_event){.seq = sqlite3_column_int64(row, 0),
                                   .time_ms = sqlite3_column_int64(row, 6)};
    store_column_text(row, 1, event->id, sizeof(event->id));
    store_column_text(row, 2, event->tenant_id, sizeof(event->tenant_id));
    store_column_text(row, 3, event->sandbox_id, sizeof(event->sandbox_id));
    store_column_text(row, 4, event->type, sizeof(event->type));
    const char *data = (const char *)sqlite3_column_text(row, 5);
    event->data = data ? json_loadb(data, strnlen(data, DATA_MAX), 0, NULL) : NULL;
    if (!event->data) {
        event->data = json_object();
    }
}

static int read_range(struct store *store, struct stored_events *events, struct error *err)
{
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err, range_sql, "");
    if (found == 1) {
        events->oldest_seq = sqlite3_column_int64(row, 0);
        events->newest_seq = sqlite3_column_int64(row, 1);
        sqlite3_reset(row);
    }
    return found < 0 ? -1 : 0;
}

/* more: what store_first_row returned. */
static int read_rows(struct store *store, sqlite3_stmt *row, int more, size_t limit,
                     struct stored_events *events, struct error *err)
{
    if (more == 1) {
        events->rows = calloc(limit, sizeof(*events->rows));
        if (!events->rows) {
            sqlite3_reset(row);
            return error_set(err, ERR_INTERNAL, ENOMEM, "read events");
        }
    }
    while (more == 1) {
        read_event(row, &events->rows[events->count++]);
        more = store_step(store, row, err);
    }
    return more < 0 ? -1 : read_range(store, events, err);
}

int store_events_read(struct store *store, const char *tenant_id, const char *sandbox_id,
                      int64_t after_seq, size_t limit, struct stored_events *ret_events,
                      struct error *err)
{
    *ret_events = (struct stored_events){0};
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row = NULL;
    int64_t count = (int64_t)limit;
    int more = !tenant_id   ? store_first_row(store, &row, err, of_all_sql, "ii", after_seq, count)
               : sandbox_id ? store_first_row(store, &row, err, of_sandbox_sql, "titi", sandbox_id,
                                              after_seq, tenant_id, count)
                            : store_first_row(store, &row, err, of_tenant_sql, "tii", tenant_id,
                                              after_seq, count);
    if (read_rows(store, row, more, limit, ret_events, err) < 0) {
        stored_events_clear(ret_events);
        return -1;
    }
    return 0;
}

int store_events_latest(struct store *store, const char *tenant_id, const char *sandbox_id,
                        size_t limit, struct stored_events *ret_events, struct error *err)
{
    *ret_events = (struct stored_events){0};
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row = NULL;
    int more =
        store_first_row(store, &row, err, latest_sql, "tti", sandbox_id, tenant_id, (int64_t)limit);
    if (read_rows(store, row, more, limit, ret_events, err) < 0) {
        stored_events_clear(ret_events);
        return -1;
    }
    for (size_t i = 0, j = ret_events->count; i + 1 < j; i++) {
        struct stored_event first = ret_events->rows[i];
        ret_events->rows[i] = ret_events->rows[--j];
        ret_events->rows[j] = first;
    }
    return 0;
}
