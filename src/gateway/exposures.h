/* The directory's memory of previews and tokens; who calls holds the change mutex unless said otherwise. */
#ifndef ATOLL_GATEWAY_EXPOSURES_H
#define ATOLL_GATEWAY_EXPOSURES_H

#include "base/error.h"
#include "gateway/directory_private.h"

#include <stdbool.h>

/* Finds or makes the exposure of a sandbox. */
int exposures_reserve(struct directory *directory, const char *sandbox_id, struct error *err);

int exposures_put_preview(struct directory *directory, const struct store_preview *preview,
                          struct error *err);
int exposures_add_token(struct directory *directory, const struct store_preview_token *token,
                        struct error *err);

/* Is there one of a sandbox that is gone? Then id gets whose. */
bool exposures_find_gone(struct directory *directory, char id[ID_SIZE]);
void exposures_drop(struct directory *directory, const char *sandbox_id);
void exposures_drop_expired_tokens(struct directory *directory);

/* The lock is held for writing. The preview's own tokens, or the one of that id. */
void exposure_drop_tokens_of(struct directory *directory, struct exposure *exposure,
                             const char *preview_id);
bool exposure_drop_token(struct directory *directory, struct exposure *exposure,
                         const char *token_id);

#endif
