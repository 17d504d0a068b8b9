/* Exposed ports and the tokens that open them: what the API reads and changes of the directory. Each change is in the
 * store before it counts. Any thread. */
#ifndef ATOLL_GATEWAY_PREVIEWS_H
#define ATOLL_GATEWAY_PREVIEWS_H

#include "base/error.h"
#include "gateway/directory.h"
#include "store/store_previews.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PREVIEWS_MAX = 100,        /* of one sandbox */
    PREVIEW_TOKENS_MAX = 1000, /* of one sandbox, expired ones not counted */
    PREVIEW_TOKEN_SIZE = 64,   /* prefix and 40 characters, with NUL */
};

/* Adds a new preview, or changes the one with its id. ERR_CAPACITY: the sandbox has PREVIEWS_MAX.
 * ERR_PREVIEW_NOT_FOUND: the one to change has gone meanwhile. */
int directory_put_preview(struct directory *directory, const struct store_preview *preview,
                          bool is_new, struct error *err);

/* ERR_PREVIEW_NOT_FOUND when the sandbox has no such preview. */
int directory_get_preview(struct directory *directory, const char *sandbox_id, const char *preview_id,
                          struct store_preview *ret_preview, struct error *err);

/* A public preview of the port that does not expire: what expose made before. */
bool directory_exposed_port(struct directory *directory, const char *sandbox_id, int port,
                            struct store_preview *ret_preview);

/* All of a sandbox, newest first; *ret_previews is the caller's to free(). */
int directory_list_previews(struct directory *directory, const char *sandbox_id,
                            struct store_preview **ret_previews, size_t *ret_count,
                            struct error *err);

/* With the tokens that were made for it alone. */
int directory_delete_preview(struct directory *directory, const char *sandbox_id,
                             const char *preview_id, struct error *err);

/* Makes a token: of *token, id, hash, prefix and created_ms are filled in. text gets the only copy of it; secret_prefix:
 * "miosa_pv_", "mp_" or "ms_". ERR_PREVIEW_NOT_FOUND when preview_id is not "" and there is no such preview. */
int directory_make_token(struct directory *directory, const char *secret_prefix,
                         struct store_preview_token *token, char text[PREVIEW_TOKEN_SIZE],
                         struct error *err);

/* The tokens of that kind, newest first; *ret_tokens is the caller's to free(). */
int directory_list_tokens(struct directory *directory, const char *sandbox_id, const char *kind,
                          struct store_preview_token **ret_tokens, size_t *ret_count,
                          struct error *err);

/* ERR_NOT_FOUND when the sandbox has none of that id and kind. */
int directory_delete_token(struct directory *directory, const char *sandbox_id, const char *kind,
                           const char *token_id, struct error *err);

/* Ends all tokens that were made for the preview alone. */
int directory_revoke_tokens(struct directory *directory, const char *sandbox_id,
                            const char *preview_id, struct error *err);

#endif
