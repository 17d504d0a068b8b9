/* What every engine lists in the same way. */
#ifndef ATOLL_ENGINE_LISTING_H
#define ATOLL_ENGINE_LISTING_H

#include "engine/engine.h"

struct sandbox_list {
    struct engine_sandbox *items; /* free() them */
    size_t count, capacity;
    bool failed; /* out of memory */
};

void sandbox_list_add(struct sandbox_list *list, const struct engine_sandbox *item);

/* Hands the items over in the order of their ids. 0, or -1 with err when one of them could not be added. */
int sandbox_list_finish(struct sandbox_list *list, struct engine_sandbox **ret_list,
                        size_t *ret_count, struct error *err);

/* The ids of the snapshots that have a directory in the one at path, in order. *ret_ids is the caller's to free(). */
int snapshot_ids_list(const char *path, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                      struct error *err);

#endif
