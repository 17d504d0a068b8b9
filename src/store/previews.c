#include "store/store_previews.h"

#include "store/database.h"

#include <string.h>

static void read_preview(sqlite3_stmt *row, struct store_preview *preview)
{
    char visibility[16];
    *preview = (struct store_preview){.port = sqlite3_column_int(row, 4),
                                      .created_ms = sqlite3_column_int64(row, 7),
                                      .expires_ms = sqlite3_column_int64(row, 8)};
    store_column_text(row, 0, preview->id, sizeof(preview->id));
    store_column_text(row, 1, preview->tenant_id, sizeof(preview->tenant_id));
    store_column_text(row, 2, preview->sandbox_id, sizeof(preview->sandbox_id));
    store_column_text(row, 3, preview->name, sizeof(preview->name));
    store_column_text(row, 5, visibility, sizeof(visibility));
    store_column_text(row, 6, preview->origin, sizeof(preview->origin));
    preview->is_public = strcmp(visibility, "public") == 0;
}

int store_previews_each(struct store *store,
                        void (*visit)(void *context, const struct store_preview *preview),
                        void *context, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err,
                               "SELECT id, tenant_id, sandbox_id, name, port, visibility, origin,"
                               " created_ms, expires_ms FROM previews ORDER BY id",
                               "");
    while (more == 1) {
        struct store_preview preview;
        read_preview(row, &preview);
        visit(context, &preview);
        more = store_step(store, row, err);
    }
    return more;
}

static void read_token(sqlite3_stmt *row, struct store_preview_token *token)
{
    char scope[16];
    *token = (struct store_preview_token){.created_ms = sqlite3_column_int64(row, 8),
                                          .expires_ms = sqlite3_column_int64(row, 9)};
    store_column_text(row, 0, token->id, sizeof(token->id));
    store_column_text(row, 1, token->tenant_id, sizeof(token->tenant_id));
    store_column_text(row, 2, token->sandbox_id, sizeof(token->sandbox_id));
    store_column_text(row, 3, token->preview_id, sizeof(token->preview_id));
    store_column_text(row, 4, token->kind, sizeof(token->kind));
    store_column_text(row, 5, token->hash, sizeof(token->hash));
    store_column_text(row, 6, token->prefix, sizeof(token->prefix));
    store_column_text(row, 7, scope, sizeof(scope));
    token->may_interact = strcmp(scope, "interact") == 0;
}

int store_preview_tokens_each(struct store *store,
                              void (*visit)(void *context, const struct store_preview_token *token),
                              void *context, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err,
                               "SELECT id, tenant_id, sandbox_id, preview_id, kind, hash, prefix,"
                               " scope, created_ms, expires_ms FROM preview_tokens ORDER BY id",
                               "");
    while (more == 1) {
        struct store_preview_token token;
        read_token(row, &token);
        visit(context, &token);
        more = store_step(store, row, err);
    }
    return more;
}

int store_preview_put(struct store *store, const struct store_preview *preview, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "INSERT INTO previews (id, tenant_id, sandbox_id, name, port, visibility,"
                         " origin, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                         " ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
                         " visibility = excluded.visibility, origin = excluded.origin,"
                         " expires_ms = excluded.expires_ms",
                         "ttttittii", preview->id, preview->tenant_id, preview->sandbox_id,
                         preview->name, (int64_t)preview->port,
                         preview->is_public ? "public" : "private", preview->origin,
                         preview->created_ms, preview->expires_ms);
}

int store_preview_delete(struct store *store, const char *preview_id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result =
        store_execute(store, err, "DELETE FROM preview_tokens WHERE preview_id = ?", "t",
                      preview_id) < 0 ||
                store_execute(store, err, "DELETE FROM previews WHERE id = ?", "t", preview_id) < 0
            ? -1
            : 0;
    return store_end(store, result, err);
}

int store_preview_token_add(struct store *store, const struct store_preview_token *token,
                            struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "INSERT INTO preview_tokens (id, tenant_id, sandbox_id, preview_id, kind,"
                         " hash, prefix, scope, created_ms, expires_ms)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         "ttttttttii", token->id, token->tenant_id, token->sandbox_id,
                         token->preview_id, token->kind, token->hash, token->prefix,
                         token->may_interact ? "interact" : "read", token->created_ms,
                         token->expires_ms);
}

int store_preview_token_delete(struct store *store, const char *token_id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM preview_tokens WHERE id = ?", "t", token_id);
}

int store_preview_tokens_revoke(struct store *store, const char *preview_id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM preview_tokens WHERE preview_id = ?", "t",
                         preview_id);
}

int store_previews_forget(struct store *store, const char *sandbox_id, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = store_execute(store, err, "DELETE FROM preview_tokens WHERE sandbox_id = ?", "t",
                               sandbox_id) < 0 ||
                         store_execute(store, err, "DELETE FROM previews WHERE sandbox_id = ?", "t",
                                       sandbox_id) < 0
                     ? -1
                     : 0;
    return store_end(store, result, err);
}

int store_preview_tokens_prune(struct store *store, int64_t expired_before_ms, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err, "DELETE FROM preview_tokens WHERE expires_ms < ?", "i",
                         expired_before_ms);
}
