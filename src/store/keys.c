#include "store/store.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"
#include "store/store_deployments.h"
#include "store/store_workspaces.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASH_TEXT_SIZE = 2 * SHA256_DIGEST_LENGTH + 1,
    CACHE_ENTRIES = 1024,
    CACHE_MS = 1000,
    SECRET_LENGTH = 40,
    PREFIX_LENGTH = 13, /* "msk_live_" and 4 characters: enough to tell keys apart in a list */
    KEY_LENGTH_MAX = 256,
    TENANT_SLUG_MAX = 40,
};

static const char key_start[] = "msk_live_";

/* Recently verified keys, each at the place that its hash names. Only keys that were good are kept. */
struct key_cache {
    pthread_mutex_t mutex;
    struct {
        unsigned char hash[SHA256_DIGEST_LENGTH];
        int64_t until_ms; /* monotonic */
        struct principal principal;
    } entries[CACHE_ENTRIES];
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = calloc(1, sizeof(*cache));
    if (cache) {
        pthread_mutex_init(&cache->mutex, NULL);
    }
    return cache;
}

struct key_cache *key_cache_free(struct key_cache *cache)
{
    if (cache) {
        pthread_mutex_destroy(&cache->mutex);
        free(cache);
    }
    return NULL;
}

static size_t cache_place(const unsigned char hash[SHA256_DIGEST_LENGTH])
{
    return (hash[0] | (size_t)hash[1] << 8) % CACHE_ENTRIES;
}

static bool cache_get(struct key_cache *cache, const unsigned char hash[SHA256_DIGEST_LENGTH],
                      struct principal *ret_principal)
{
    size_t place = cache_place(hash);
    pthread_mutex_lock(&cache->mutex);
    bool hit = cache->entries[place].until_ms > clock_monotonic_ms() &&
               memcmp(cache->entries[place].hash, hash, SHA256_DIGEST_LENGTH) == 0;
    if (hit) {
        *ret_principal = cache->entries[place].principal;
    }
    pthread_mutex_unlock(&cache->mutex);
    return hit;
}

static void cache_put(struct key_cache *cache, const unsigned char hash[SHA256_DIGEST_LENGTH],
                      const struct principal *principal, int64_t expires_at_ms)
{
    int64_t life_ms = CACHE_MS;
    if (expires_at_ms && expires_at_ms - clock_realtime_ms() < life_ms) {
        life_ms = expires_at_ms - clock_realtime_ms();
    }
    size_t place = cache_place(hash);
    pthread_mutex_lock(&cache->mutex);
    memcpy(cache->entries[place].hash, hash, SHA256_DIGEST_LENGTH);
    cache->entries[place].until_ms = clock_monotonic_ms() + life_ms;
    cache->entries[place].principal = *principal;
    pthread_mutex_unlock(&cache->mutex);
}

static void cache_clear(struct key_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        cache->entries[i].until_ms = 0;
    }
    pthread_mutex_unlock(&cache->mutex);
}

static void hash_text(const unsigned char hash[SHA256_DIGEST_LENGTH], char text[HASH_TEXT_SIZE])
{
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    }
}

/* Labels below the domain that mean something else than a tenant. */
static bool slug_reserved(const char *slug)
{
    static const char *const reserved[] = {"sandbox", "preview", "www", "api"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(slug, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A DNS label for the tenant's deployments: its name when that is one, otherwise made up. */
static void choose_tenant_slug(const char *name, const char *id, char slug[TENANT_SLUG_SIZE])
{
    size_t length = strlen(name);
    bool is_label = length <= TENANT_SLUG_MAX && name[0] != '-' && name[length - 1] != '-' &&
                    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
    if (is_label && !slug_reserved(name)) {
        snprintf(slug, TENANT_SLUG_SIZE, "%s", name);
    } else {
        snprintf(slug, TENANT_SLUG_SIZE, "t%s", id + strlen(id) - 12);
    }
}

/* The tenant's id; makes it with its first user when missing. */
static int ensure_tenant(struct store *store, const char *name, struct principal *principal,
                         struct error *err)
{
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err,
                                "SELECT t.id, u.id FROM tenants t JOIN users u"
                                " ON u.tenant_id = t.id AND u.name = 'owner' WHERE t.name = ?",
                                "t", name);
    if (found == 1) {
        store_column_text(row, 0, principal->tenant_id, sizeof(principal->tenant_id));
        store_column_text(row, 1, principal->user_id, sizeof(principal->user_id));
        sqlite3_reset(row);
    }
    if (found != 0) {
        return found < 0 ? -1 : 0;
    }
    int64_t now_ms = clock_realtime_ms();
    id_make("tnt_", principal->tenant_id);
    id_make("usr_", principal->user_id);
    char slug[TENANT_SLUG_SIZE];
    choose_tenant_slug(name, principal->tenant_id, slug);
    if (store_execute(store, err,
                      "INSERT INTO tenants (id, name, slug, created_ms) VALUES (?, ?, ?, ?)",
                      "ttti", principal->tenant_id, name, slug, now_ms) < 0) {
        return -1;
    }
    return store_execute(store, err,
                         "INSERT INTO users (id, tenant_id, name, created_ms)"
                         " VALUES (?, ?, 'owner', ?)",
                         "tti", principal->user_id, principal->tenant_id, now_ms);
}

int store_tenant_ensure(struct store *store, const char *name, struct principal *ret_principal,
                        struct error *err)
{
    if (name[0] == '\0' || strlen(name) > 64) {
        return error_set_field(err, ERR_VALIDATION, "tenant", "a tenant's name has 1 to 64 bytes");
    }
    struct principal principal = {.scopes = SCOPE_ALL};
    struct placement placement = {0};
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_begin(store, err) < 0) {
        return -1;
    }
    int result = ensure_tenant(store, name, &principal, err);
    if (result == 0) {
        result = placement_default(store, principal.tenant_id, &placement, err);
    }
    if (store_end(store, result, err) < 0) {
        return -1;
    }
    memcpy(principal.workspace_id, placement.workspace_id, sizeof(principal.workspace_id));
    *ret_principal = principal;
    return 0;
}

int store_key_create(struct store *store, const struct principal *owner, const char *name,
                     unsigned scopes, int64_t expires_at_ms, struct api_key *ret_key,
                     char text[KEY_TEXT_SIZE], struct error *err)
{
    struct api_key key = {
        .scopes = scopes, .created_at_ms = clock_realtime_ms(), .expires_at_ms = expires_at_ms};
    id_make("key_", key.id);
    memcpy(key.tenant_id, owner->tenant_id, sizeof(key.tenant_id));
    memcpy(key.workspace_id, owner->workspace_id, sizeof(key.workspace_id));
    memcpy(key.user_id, owner->user_id, sizeof(key.user_id));
    snprintf(key.name, sizeof(key.name), "%s", name);
    char secret[SECRET_LENGTH + 1];
    snprintf(text, KEY_TEXT_SIZE, "%s%s", key_start, secret_make(secret, sizeof(secret)));
    snprintf(key.prefix, sizeof(key.prefix), "%.*s", PREFIX_LENGTH, text);
    snprintf(key.last_four, sizeof(key.last_four), "%s", text + strlen(text) - 4);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char hex[HASH_TEXT_SIZE];
    SHA256((const unsigned char *)text, strlen(text), hash);
    hash_text(hash, hex);

    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(store, err,
                      "INSERT INTO api_keys (id, tenant_id, workspace_id, user_id, name, hash,"
                      " prefix, last_four, scopes, created_ms, expires_ms, revoked_ms)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                      "ttttttttiii", key.id, key.tenant_id, key.workspace_id, key.user_id, key.name,
                      hex, key.prefix, key.last_four, (int64_t)key.scopes, key.created_at_ms,
                      key.expires_at_ms) < 0) {
        return -1;
    }
    *ret_key = key;
    return 0;
}

#define SELECT_KEY                                                                                 \
    "SELECT id, tenant_id, workspace_id, user_id, scopes, expires_ms, revoked_ms FROM api_keys"

static const char by_hash_sql[] = SELECT_KEY " WHERE hash = ?";
static const char by_id_sql[] = SELECT_KEY " WHERE id = ?";

static int lookup_key(struct store *store, const char *sql, const char *value,
                      struct principal *ret_principal, int64_t *ret_expires_ms, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    sqlite3_stmt *row;
    int found = store_first_row(store, &row, err, sql, "t", value);
    if (found <= 0) {
        return found < 0 ? -1 : error_set(err, ERR_INVALID_TOKEN, 0, "unknown API key");
    }
    store_column_text(row, 0, ret_principal->key_id, sizeof(ret_principal->key_id));
    store_column_text(row, 1, ret_principal->tenant_id, sizeof(ret_principal->tenant_id));
    store_column_text(row, 2, ret_principal->workspace_id, sizeof(ret_principal->workspace_id));
    store_column_text(row, 3, ret_principal->user_id, sizeof(ret_principal->user_id));
    ret_principal->scopes = (unsigned)sqlite3_column_int64(row, 4);
    *ret_expires_ms = sqlite3_column_int64(row, 5);
    bool revoked = sqlite3_column_int64(row, 6) != 0;
    sqlite3_reset(row);
    if (revoked) {
        return error_set(err, ERR_INVALID_TOKEN, 0, "this API key was revoked");
    }
    if (*ret_expires_ms && *ret_expires_ms <= clock_realtime_ms()) {
        return error_set(err, ERR_INVALID_TOKEN, 0, "this API key has expired");
    }
    return 0;
}

int store_key_verify(struct store *store, const char *text, struct principal *ret_principal,
                     struct error *err)
{
    size_t length = strnlen(text, KEY_LENGTH_MAX + 1);
    if (length > KEY_LENGTH_MAX || strncmp(text, "msk_", 4) != 0) {
        return error_set(err, ERR_INVALID_TOKEN, 0,
                         "this is not an API key (they begin with msk_)");
    }
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, length, hash);
    if (cache_get(store->key_cache, hash, ret_principal)) {
        return 0;
    }
    char hex[HASH_TEXT_SIZE];
    hash_text(hash, hex);
    struct principal principal = {0};
    int64_t expires_at_ms = 0;
    if (lookup_key(store, by_hash_sql, hex, &principal, &expires_at_ms, err) < 0) {
        return -1;
    }
    cache_put(store->key_cache, hash, &principal, expires_at_ms);
    *ret_principal = principal;
    return 0;
}

int store_key_recall(struct store *store, const char *key_id, struct principal *ret_principal,
                     struct error *err)
{
    int64_t expires_at_ms;
    return lookup_key(store, by_id_sql, key_id, ret_principal, &expires_at_ms, err);
}

static void read_key(sqlite3_stmt *row, struct api_key *key)
{
    *key = (struct api_key){.scopes = (unsigned)sqlite3_column_int64(row, 7),
                            .created_at_ms = sqlite3_column_int64(row, 8),
                            .expires_at_ms = sqlite3_column_int64(row, 9),
                            .revoked_at_ms = sqlite3_column_int64(row, 10)};
    store_column_text(row, 0, key->id, sizeof(key->id));
    store_column_text(row, 1, key->tenant_id, sizeof(key->tenant_id));
    store_column_text(row, 2, key->workspace_id, sizeof(key->workspace_id));
    store_column_text(row, 3, key->user_id, sizeof(key->user_id));
    store_column_text(row, 4, key->name, sizeof(key->name));
    store_column_text(row, 5, key->prefix, sizeof(key->prefix));
    store_column_text(row, 6, key->last_four, sizeof(key->last_four));
}

int store_key_list(struct store *store, const char *tenant_id, struct api_key **ret_keys,
                   size_t *ret_count, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    struct api_key *keys = NULL;
    size_t count = 0;
    sqlite3_stmt *row;
    int more = store_first_row(store, &row, err,
                               "SELECT id, tenant_id, workspace_id, user_id, name, prefix,"
                               " last_four, scopes, created_ms, expires_ms, revoked_ms"
                               " FROM api_keys WHERE tenant_id = ? ORDER BY id DESC LIMIT 1000",
                               "t", tenant_id);
    while (more == 1) {
        struct api_key *longer = realloc(keys, (count + 1) * sizeof(*keys));
        if (!longer) {
            sqlite3_reset(row);
            free(keys);
            return error_set(err, ERR_INTERNAL, errno, "list API keys");
        }
        keys = longer;
        read_key(row, &keys[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        free(keys);
        return -1;
    }
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

int store_key_revoke(struct store *store, const char *tenant_id, const char *key_id,
                     struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    if (store_execute(store, err,
                      "UPDATE api_keys SET revoked_ms = ?"
                      " WHERE id = ? AND tenant_id = ? AND revoked_ms = 0",
                      "itt", clock_realtime_ms(), key_id, tenant_id) < 0) {
        return -1;
    }
    if (sqlite3_changes(store->db) == 0) {
        return error_set(err, ERR_NOT_FOUND, 0, "there is no such API key (or it was revoked)");
    }
    cache_clear(store->key_cache);
    return 0;
}
