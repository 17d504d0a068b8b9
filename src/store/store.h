/* The store: what must survive a restart, in SQLite (WAL). One connection, any thread, each call one
 * transaction, calls take turns. */
#ifndef ATOLL_STORE_STORE_H
#define ATOLL_STORE_STORE_H

#include "base/error.h"
#include "base/ids.h"
#include "store/principal.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

/* Opens or makes the database and applies missing migrations (store/migrations.c). A database made
 * by a newer atoll is refused with a sentence. */
struct store *store_open(const char *path, struct error *err);
struct store *store_close(struct store *store);

enum { STORE_EVENT_DAYS = 7, STORE_DESTROYED_DAYS = 30 }; /* how long history is kept */

/* Deletes what is older than that, and idempotency keys older than a day; a bounded amount a call. */
int store_prune(struct store *store, struct error *err);

/* Moves SQLite's log into the database when it has grown. Call now and then from a thread that no
 * request waits for. */
void store_checkpoint(struct store *store);

/* --- tenants and keys (store/keys.c) --- */

enum { KEY_TEXT_SIZE = 64 }; /* "msk_live_" and 43 characters, with NUL */

struct api_key {
    char id[ID_SIZE], tenant_id[ID_SIZE], workspace_id[ID_SIZE], user_id[ID_SIZE];
    char name[128], prefix[24], last_four[8];
    unsigned scopes;
    int64_t created_at_ms, expires_at_ms, revoked_at_ms; /* 0 = never */
};

/* Finds or makes the tenant of that name (with its default workspace, project and user). */
int store_tenant_ensure(struct store *store, const char *name, struct principal *ret_principal,
                        struct error *err);

/* Makes a key; text[KEY_TEXT_SIZE] gets the only copy of the secret: the store keeps its SHA-256. */
int store_key_create(struct store *store, const struct principal *owner, const char *name,
                     unsigned scopes, int64_t expires_at_ms, struct api_key *ret_key,
                     char text[KEY_TEXT_SIZE], struct error *err);

/* ERR_INVALID_TOKEN when unknown, revoked or expired. Cached in memory for at most a second. */
int store_key_verify(struct store *store, const char *text, struct principal *ret_principal,
                     struct error *err);

/* The principal of a key that was verified before, by the key's id. ERR_INVALID_TOKEN when revoked or expired
 * since. */
int store_key_recall(struct store *store, const char *key_id, struct principal *ret_principal,
                     struct error *err);

/* The tenant's keys, newest first. *ret_keys is the caller's to free(). */
int store_key_list(struct store *store, const char *tenant_id, struct api_key **ret_keys,
                   size_t *ret_count, struct error *err);
int store_key_revoke(struct store *store, const char *tenant_id, const char *key_id,
                     struct error *err);

/* --- idempotency keys (store/idempotency.c): 24 hours --- */

enum idempotency_state { IDEMPOTENCY_NEW, IDEMPOTENCY_RUNNING, IDEMPOTENCY_DONE };

enum { IDEMPOTENCY_KEY_MAX = 255, IDEMPOTENCY_REPLY_MAX = 1024 * 1024 };

/* Claims (tenant, route, key). NEW: the caller does the work and then finishes or abandons the claim.
 * RUNNING: another request holds it. DONE: *ret_status and *ret_body (free()) hold the first reply.
 * request_hash (SHA-256 hex of the body) differs from the first one's: ERR_IDEMPOTENCY. A claim that a
 * crash left behind is released by store_idempotency_recover, unless a sandbox was recorded for it. */
int store_idempotency_begin(struct store *store, const char *tenant_id, const char *route,
                            const char *key, const char *request_hash,
                            enum idempotency_state *ret_state, int *ret_status, char **ret_body,
                            struct error *err);
int store_idempotency_finish(struct store *store, const char *tenant_id, const char *route,
                             const char *key, int status, const char *body, struct error *err);
int store_idempotency_abandon(struct store *store, const char *tenant_id, const char *route,
                              const char *key, struct error *err);

/* A claim that a crash cut short after its sandbox was recorded. */
struct store_claim {
    char tenant_id[ID_SIZE], sandbox_id[ID_SIZE];
    char route[128], key[IDEMPOTENCY_KEY_MAX + 1];
};

/* At start, before any request: releases claims without a sandbox and gives the others, which the
 * caller finishes or abandons. *ret_claims is the caller's to free(). */
int store_idempotency_recover(struct store *store, struct store_claim **ret_claims,
                              size_t *ret_count, struct error *err);

#endif
