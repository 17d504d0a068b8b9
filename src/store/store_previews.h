/* Exposed ports of sandboxes, and the tokens that open the private ones. */
#ifndef ATOLL_STORE_STORE_PREVIEWS_H
#define ATOLL_STORE_STORE_PREVIEWS_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PREVIEW_NAME_SIZE = 128,
    PREVIEW_TOKEN_HASH_SIZE = 65,   /* SHA-256 in hex, with NUL */
    PREVIEW_TOKEN_PREFIX_SIZE = 16, /* what tells tokens apart in a list */
};

struct store_preview {
    char id[ID_SIZE], tenant_id[ID_SIZE], sandbox_id[ID_SIZE];
    char name[PREVIEW_NAME_SIZE];
    char origin[16]; /* "expose" or "preview": by which route it was made */
    int port;
    bool is_public;
    int64_t created_ms, expires_ms; /* 0 = never */
};

struct store_preview_token {
    char id[ID_SIZE], tenant_id[ID_SIZE], sandbox_id[ID_SIZE];
    char preview_id[ID_SIZE]; /* "" = all previews of the sandbox */
    char kind[16];            /* "preview" (miosa_pv_), "token" (mp_) or "share" (ms_) */
    char hash[PREVIEW_TOKEN_HASH_SIZE];
    char prefix[PREVIEW_TOKEN_PREFIX_SIZE];
    bool may_interact;
    int64_t created_ms, expires_ms;
};

/* Calls visit for each, oldest first; it must not call the store. */
int store_previews_each(struct store *store,
                        void (*visit)(void *context, const struct store_preview *preview),
                        void *context, struct error *err);
int store_preview_tokens_each(struct store *store,
                              void (*visit)(void *context, const struct store_preview_token *token),
                              void *context, struct error *err);

/* Adds or replaces by id. */
int store_preview_put(struct store *store, const struct store_preview *preview, struct error *err);
/* With its tokens. */
int store_preview_delete(struct store *store, const char *preview_id, struct error *err);

int store_preview_token_add(struct store *store, const struct store_preview_token *token,
                            struct error *err);
int store_preview_token_delete(struct store *store, const char *token_id, struct error *err);
/* All that were made for this preview alone. */
int store_preview_tokens_revoke(struct store *store, const char *preview_id, struct error *err);

/* Everything that belongs to a sandbox, which is gone. */
int store_previews_forget(struct store *store, const char *sandbox_id, struct error *err);
int store_preview_tokens_prune(struct store *store, int64_t expired_before_ms, struct error *err);

#endif
