#include "store/store_webhooks.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "id, webhook_id, tenant_id, event_type, payload, state, attempts, next_attempt_ms,"            \
    " last_status_code, last_error, replay_of, created_ms, finished_ms"

static const char list_sql[] = "SELECT " COLUMNS " FROM webhook_deliveries WHERE webhook_id = ?"
                               " AND id < ? ORDER BY id DESC LIMIT ?";
static const char find_sql[] =
    "SELECT " COLUMNS " FROM webhook_deliveries WHERE id = ? AND webhook_id = ?";
static const char due_sql[] = "SELECT " COLUMNS " FROM webhook_deliveries WHERE webhook_id = ?"
                              " AND state = 'pending' AND next_attempt_ms <= ?"
                              " ORDER BY next_attempt_ms LIMIT ?";
static const char insert_sql[] = "INSERT INTO webhook_deliveries (" COLUMNS ", replay_id)"
                                 " VALUES (?, ?, ?, ?, ?, 'pending', 0, ?, 0, '', ?, ?, 0, ?)";

void deliveries_free(struct delivery *deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(deliveries[i].payload);
    }
    free(deliveries);
}

static void read_delivery(sqlite3_stmt *row, struct delivery *delivery)
{
    *delivery = (struct delivery){.attempts = sqlite3_column_int64(row, 6),
                                  .next_attempt_ms = sqlite3_column_int64(row, 7),
                                  .last_status_code = sqlite3_column_int64(row, 8),
                                  .created_ms = sqlite3_column_int64(row, 11),
                                  .finished_ms = sqlite3_column_int64(row, 12)};
    store_column_text(row, 0, delivery->id, sizeof(delivery->id));
    store_column_text(row, 1, delivery->webhook_id, sizeof(delivery->webhook_id));
    store_column_text(row, 2, delivery->tenant_id, sizeof(delivery->tenant_id));
    store_column_text(row, 3, delivery->event_type, sizeof(delivery->event_type));
    store_column_text(row, 5, delivery->state, sizeof(delivery->state));
    store_column_text(row, 9, delivery->last_error, sizeof(delivery->last_error));
    store_column_text(row, 10, delivery->replay_of, sizeof(delivery->replay_of));
    const char *payload = (const char *)sqlite3_column_text(row, 4);
    delivery->payload = strdup(payload ? payload : "");
}

/* more: what store_first_row returned. */
static int read_deliveries(struct store *store, sqlite3_stmt *row, int more,
                           struct delivery **ret_deliveries, size_t *ret_count, struct error *err)
{
    struct delivery *deliveries = NULL;
    size_t count = 0;
    while (more == 1) {
        struct delivery *longer = realloc(deliveries, (count + 1) * sizeof(*deliveries));
        if (!longer) {
            sqlite3_reset(row);
            deliveries_free(deliveries, count);
            return error_set(err, ERR_INTERNAL, ENOMEM, "read deliveries");
        }
        deliveries = longer;
        read_delivery(row, &deliveries[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        deliveries_free(deliveries, count);
        return -1;
    }
    *ret_deliveries = deliveries;
    *ret_count = count;
    return 0;
}

static int insert(struct store *store, const struct delivery *delivery, const char *replay_id,
                  struct error *err)
{
    return store_execute(store, err, insert_sql, "tttttitit", delivery->id, delivery->webhook_id,
                         delivery->tenant_id, delivery->event_type, delivery->payload,
                         delivery->next_attempt_ms, delivery->replay_of, delivery->created_ms,
                         replay_id);
}

int store_deliveries_make(struct store *store, const char *webhook_id, int64_t from_seq,
                          int64_t to_seq, const struct delivery *deliveries, size_t count,
                          bool *ret_done, struct error *err)
{
    *ret_done = false;
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = store_execute(store, err,
                               "UPDATE webhooks SET seq = ?"
                               " WHERE id = ? AND seq = ? AND state = 'active'",
                               "iti", to_seq, webhook_id, from_seq);
    bool is_there = result == 0 && sqlite3_changes(store->db) == 1;
    for (size_t i = 0; is_there && result == 0 && i < count; i++) {
        result = insert(store, &deliveries[i], NULL, err);
    }
    if (store_end(store, result, err) < 0) {
        return -1;
    }
    *ret_done = is_there;
    return 0;
}

int store_delivery_insert(struct store *store, const struct delivery *delivery,
                          const char *replay_id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (insert(store, delivery, replay_id, err) == 0) {
        return 0;
    }
    return store_not_unique(store, "webhook_deliveries.replay_id")
               ? error_set_field(err, ERR_REPLAY_USED, "replay_id", "Replay ID already used")
               : -1;
}

int store_delivery_list(struct store *store, const char *webhook_id, const char *before,
                        int64_t limit, struct delivery **ret_deliveries, size_t *ret_count,
                        struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err, list_sql, "tti", webhook_id, before ? before : "~",
                               limit);
    return read_deliveries(store, row, more, ret_deliveries, ret_count, err);
}

int store_delivery_find(struct store *store, const char *webhook_id, const char *id,
                        struct delivery **ret_delivery, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    size_t count;
    int more = store_first_row(store, &row, err, find_sql, "tt", id, webhook_id);
    if (read_deliveries(store, row, more, ret_delivery, &count, err) < 0) {
        return -1;
    }
    return count == 1 ? 0 : error_set(err, ERR_NOT_FOUND, 0, "delivery not found");
}

int store_deliveries_due(struct store *store, const char *webhook_id, int64_t now_ms, int64_t limit,
                         struct delivery **ret_deliveries, size_t *ret_count, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err, due_sql, "tii", webhook_id, now_ms, limit);
    return read_deliveries(store, row, more, ret_deliveries, ret_count, err);
}

int store_delivery_record(struct store *store, const struct delivery *delivery,
                          int64_t failure_count, const char *webhook_state, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = store_execute(
        store, err,
        "UPDATE webhook_deliveries SET state = ?, attempts = ?, next_attempt_ms = ?,"
        " last_status_code = ?, last_error = ?, finished_ms = ? WHERE id = ?",
        "tiiitit", delivery->state, delivery->attempts, delivery->next_attempt_ms,
        delivery->last_status_code, delivery->last_error, delivery->finished_ms, delivery->id);
    if (result == 0) {
        result = store_execute(store, err,
                               "UPDATE webhooks SET last_triggered_ms = ?, last_status_code = ?,"
                               " failure_count = ?, state = coalesce(?, state) WHERE id = ?",
                               "iiitt", clock_realtime_ms(), delivery->last_status_code,
                               failure_count, webhook_state, delivery->webhook_id);
    }
    return store_end(store, result, err);
}
