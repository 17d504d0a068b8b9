#include "store/store_webhooks.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_MAX = 256 * 1024, LIST_MAX = 100000 };

#define COLUMNS                                                                                    \
    "id, tenant_id, workspace_id, name, description, url, events, headers, metadata, secret,"      \
    " state, retry_count, failure_count, last_triggered_ms, last_status_code, seq, created_ms,"    \
    " updated_ms"

static const char find_sql[] = "SELECT " COLUMNS " FROM webhooks WHERE id = ? AND tenant_id = ?";
static const char of_tenant_sql[] =
    "SELECT " COLUMNS " FROM webhooks WHERE tenant_id = ? ORDER BY id LIMIT ?";
static const char active_sql[] =
    "SELECT " COLUMNS " FROM webhooks WHERE state = 'active' ORDER BY id LIMIT ?";

void webhook_clear(struct webhook *webhook)
{
    json_decref(webhook->events);
    json_decref(webhook->headers);
    json_decref(webhook->metadata);
    webhook->events = webhook->headers = webhook->metadata = NULL;
}

void webhooks_free(struct webhook *webhooks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        webhook_clear(&webhooks[i]);
    }
    free(webhooks);
}

static json_t *column_json(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? json_loadb(text, strnlen(text, JSON_MAX), 0, NULL) : NULL;
}

static void read_webhook(sqlite3_stmt *row, struct webhook *webhook)
{
    *webhook = (struct webhook){.events = column_json(row, 6),
                                .headers = column_json(row, 7),
                                .metadata = column_json(row, 8),
                                .retry_count = sqlite3_column_int64(row, 11),
                                .failure_count = sqlite3_column_int64(row, 12),
                                .last_triggered_ms = sqlite3_column_int64(row, 13),
                                .last_status_code = sqlite3_column_int64(row, 14),
                                .seq = sqlite3_column_int64(row, 15),
                                .created_ms = sqlite3_column_int64(row, 16),
                                .updated_ms = sqlite3_column_int64(row, 17)};
    store_column_text(row, 0, webhook->id, sizeof(webhook->id));
    store_column_text(row, 1, webhook->tenant_id, sizeof(webhook->tenant_id));
    store_column_text(row, 2, webhook->workspace_id, sizeof(webhook->workspace_id));
    store_column_text(row, 3, webhook->name, sizeof(webhook->name));
    store_column_text(row, 4, webhook->description, sizeof(webhook->description));
    store_column_text(row, 5, webhook->url, sizeof(webhook->url));
    store_column_text(row, 9, webhook->secret, sizeof(webhook->secret));
    store_column_text(row, 10, webhook->state, sizeof(webhook->state));
}

/* The JSON columns as text. */
struct texts {
    char *events, *headers, *metadata;
};

static int print_texts(const struct webhook *webhook, struct texts *texts, struct error *err)
{
    texts->events = json_dumps(webhook->events, JSON_COMPACT);
    texts->headers = json_dumps(webhook->headers, JSON_COMPACT);
    texts->metadata = json_dumps(webhook->metadata, JSON_COMPACT);
    return texts->events && texts->headers && texts->metadata
               ? 0
               : error_set(err, ERR_INTERNAL, ENOMEM, "write a webhook");
}

static void texts_free(struct texts *texts)
{
    free(texts->events);
    free(texts->headers);
    free(texts->metadata);
}

#define auto_texts __attribute__((cleanup(texts_free)))

static int check_room(struct store *store, const char *tenant_id, int64_t max, struct error *err)
{
    sqlite3_stmt *row;
    int found = store_first_row(
        store, &row, err, "SELECT count(*) FROM webhooks WHERE tenant_id = ?", "t", tenant_id);
    int64_t count = found == 1 ? sqlite3_column_int64(row, 0) : 0;
    if (found == 1) {
        sqlite3_reset(row);
    }
    return found < 0      ? -1
           : count >= max ? error_set(err, ERR_WEBHOOK_LIMIT, 0, "there are %lld webhooks already",
                                      (long long)count)
                          : 0;
}

int store_webhook_insert(struct store *store, struct webhook *webhook, int64_t max,
                         struct error *err)
{
    auto_texts struct texts texts = {0};
    if (print_texts(webhook, &texts, err) < 0) {
        return -1;
    }
    webhook->created_ms = webhook->updated_ms = clock_realtime_ms();
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = check_room(store, webhook->tenant_id, max, err);
    if (result == 0) {
        result =
            store_execute(store, err,
                          "INSERT INTO webhooks (" COLUMNS
                          ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0,"
                          " (SELECT coalesce(max(seq), 0) FROM events), ?, ?)",
                          "tttttttttttiii", webhook->id, webhook->tenant_id, webhook->workspace_id,
                          webhook->name, webhook->description, webhook->url, texts.events,
                          texts.headers, texts.metadata, webhook->secret, webhook->state,
                          webhook->retry_count, webhook->created_ms, webhook->updated_ms);
    }
    return store_end(store, result, err);
}

int store_webhook_find(struct store *store, const char *tenant_id, const char *id,
                       struct webhook *ret_webhook, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err, find_sql, "tt", id, tenant_id);
    if (found <= 0) {
        return found < 0 ? -1 : error_set(err, ERR_NOT_FOUND, 0, "webhook not found");
    }
    read_webhook(row, ret_webhook);
    sqlite3_reset(row);
    return 0;
}

int store_webhook_list(struct store *store, const char *tenant_id, struct webhook **ret_webhooks,
                       size_t *ret_count, struct error *err)
{
    struct webhook *webhooks = NULL;
    size_t count = 0;
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row = NULL;
    int more = tenant_id ? store_first_row(store, &row, err, of_tenant_sql, "ti", tenant_id,
                                           (int64_t)LIST_MAX)
                         : store_first_row(store, &row, err, active_sql, "i", (int64_t)LIST_MAX);
    while (more == 1) {
        struct webhook *longer = realloc(webhooks, (count + 1) * sizeof(*webhooks));
        if (!longer) {
            sqlite3_reset(row);
            webhooks_free(webhooks, count);
            return error_set(err, ERR_INTERNAL, ENOMEM, "list webhooks");
        }
        webhooks = longer;
        read_webhook(row, &webhooks[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        webhooks_free(webhooks, count);
        return -1;
    }
    *ret_webhooks = webhooks;
    *ret_count = count;
    return 0;
}

int store_webhook_update(struct store *store, const struct webhook *webhook, bool skip_missed,
                         struct error *err)
{
    auto_texts struct texts texts = {0};
    if (print_texts(webhook, &texts, err) < 0) {
        return -1;
    }
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(store, err,
                      "UPDATE webhooks SET name = ?, description = ?, url = ?, events = ?,"
                      " headers = ?, metadata = ?, secret = ?, state = ?, retry_count = ?,"
                      " failure_count = ?, updated_ms = ?,"
                      " seq = iif(?, (SELECT coalesce(max(seq), 0) FROM events), seq)"
                      " WHERE id = ? AND tenant_id = ?",
                      "ttttttttiiiitt", webhook->name, webhook->description, webhook->url,
                      texts.events, texts.headers, texts.metadata, webhook->secret, webhook->state,
                      webhook->retry_count, webhook->failure_count, clock_realtime_ms(),
                      (int64_t)skip_missed, webhook->id, webhook->tenant_id) < 0) {
        return -1;
    }
    return sqlite3_changes(store->db) == 1 ? 0
                                           : error_set(err, ERR_NOT_FOUND, 0, "webhook not found");
}

int store_webhook_delete(struct store *store, const char *tenant_id, const char *id,
                         struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = store_execute(store, err, "DELETE FROM webhooks WHERE id = ? AND tenant_id = ?",
                               "tt", id, tenant_id);
    if (result == 0 && sqlite3_changes(store->db) == 0) {
        result = error_set(err, ERR_NOT_FOUND, 0, "webhook not found");
    }
    if (result == 0) {
        result = store_execute(store, err, "DELETE FROM webhook_deliveries WHERE webhook_id = ?",
                               "t", id);
    }
    return store_end(store, result, err);
}
