#include "store/store.h"

#include "base/clock.h"
#include "store/database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const int64_t lifetime_ms = 24LL * 3600 * 1000;

static int insert_claim(struct store *store, const char *tenant_id, const char *route,
                        const char *key, const char *request_hash, struct error *err)
{
    return store_execute(store, err,
                         "INSERT INTO idempotency (tenant_id, route, key, request_hash, created_ms)"
                         " VALUES (?, ?, ?, ?, ?)",
                         "tttti", tenant_id, route, key, request_hash, clock_realtime_ms());
}

/* Reads the claim's row: request_hash, status, body. */
static int read_claim(sqlite3_stmt *row, const char *request_hash,
                      enum idempotency_state *ret_state, int *ret_status, char **ret_body,
                      struct error *err)
{
    const char *first_hash = (const char *)sqlite3_column_text(row, 0);
    if (!first_hash || strcmp(first_hash, request_hash) != 0) {
        return error_set(err, ERR_IDEMPOTENCY, 0,
                         "this Idempotency-Key was used for a request with another body");
    }
    if (sqlite3_column_type(row, 1) == SQLITE_NULL) {
        *ret_state = IDEMPOTENCY_RUNNING;
        return 0;
    }
    const char *body = (const char *)sqlite3_column_text(row, 2);
    char *copy = strdup(body ? body : "");
    if (!copy) {
        return error_set(err, ERR_INTERNAL, errno, "replay a reply");
    }
    *ret_state = IDEMPOTENCY_DONE;
    *ret_status = sqlite3_column_int(row, 1);
    *ret_body = copy;
    return 0;
}

static int begin_claim(struct store *store, const char *tenant_id, const char *route,
                       const char *key, const char *request_hash, enum idempotency_state *ret_state,
                       int *ret_status, char **ret_body, struct error *err)
{
    if (store_execute(store, err,
                      "DELETE FROM idempotency WHERE tenant_id = ? AND route = ? AND key = ?"
                      " AND created_ms < ?",
                      "ttti", tenant_id, route, key, clock_realtime_ms() - lifetime_ms) < 0) {
        return -1;
    }
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err,
                                "SELECT request_hash, status, body FROM idempotency"
                                " WHERE tenant_id = ? AND route = ? AND key = ?",
                                "ttt", tenant_id, route, key);
    if (found < 0) {
        return -1;
    }
    if (found) {
        int result = read_claim(row, request_hash, ret_state, ret_status, ret_body, err);
        sqlite3_reset(row);
        return result;
    }
    *ret_state = IDEMPOTENCY_NEW;
    return insert_claim(store, tenant_id, route, key, request_hash, err);
}

int store_idempotency_begin(struct store *store, const char *tenant_id, const char *route,
                            const char *key, const char *request_hash,
                            enum idempotency_state *ret_state, int *ret_status, char **ret_body,
                            struct error *err)
{
    if (key[0] == '\0' || strlen(key) > IDEMPOTENCY_KEY_MAX) {
        return error_set_field(err, ERR_VALIDATION, "Idempotency-Key",
                               "an Idempotency-Key has 1 to %d bytes", IDEMPOTENCY_KEY_MAX);
    }
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = begin_claim(store, tenant_id, route, key, request_hash, ret_state, ret_status,
                             ret_body, err);
    return store_end(store, result, err);
}

int store_idempotency_finish(struct store *store, const char *tenant_id, const char *route,
                             const char *key, int status, const char *body, struct error *err)
{
    if (strlen(body) > IDEMPOTENCY_REPLY_MAX) {
        store_idempotency_abandon(store, tenant_id, route, key, NULL);
        return error_set(err, ERR_TOO_LARGE, 0, "the reply is too long to be kept for a replay");
    }
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "UPDATE idempotency SET status = ?, body = ?"
                         " WHERE tenant_id = ? AND route = ? AND key = ? AND status IS NULL",
                         "itttt", (int64_t)status, body, tenant_id, route, key);
}

int store_idempotency_abandon(struct store *store, const char *tenant_id, const char *route,
                              const char *key, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "DELETE FROM idempotency"
                         " WHERE tenant_id = ? AND route = ? AND key = ? AND status IS NULL",
                         "ttt", tenant_id, route, key);
}

static void read_cut_short(sqlite3_stmt *row, struct store_claim *claim)
{
    store_column_text(row, 0, claim->tenant_id, sizeof(claim->tenant_id));
    store_column_text(row, 1, claim->route, sizeof(claim->route));
    store_column_text(row, 2, claim->key, sizeof(claim->key));
    store_column_text(row, 3, claim->sandbox_id, sizeof(claim->sandbox_id));
}

int store_idempotency_recover(struct store *store, struct store_claim **ret_claims,
                              size_t *ret_count, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(store, err,
                      "DELETE FROM idempotency WHERE status IS NULL AND resource_id IS NULL",
                      "") < 0) {
        return -1;
    }
    struct store_claim *claims = NULL;
    size_t count = 0;
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err,
                               "SELECT tenant_id, route, key, resource_id FROM idempotency"
                               " WHERE status IS NULL",
                               "");
    while (more == 1) {
        struct store_claim *longer = realloc(claims, (count + 1) * sizeof(*claims));
        if (!longer) {
            sqlite3_reset(row);
            free(claims);
            return error_set(err, ERR_INTERNAL, errno, "recover idempotency keys");
        }
        claims = longer;
        read_cut_short(row, &claims[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        free(claims);
        return -1;
    }
    *ret_claims = claims;
    *ret_count = count;
    return 0;
}
