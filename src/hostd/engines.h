/* The engines of this host, and which of them a request is for. They share one contract (engine.h), so that
 * the server only has to find the right one. */
#ifndef ATOLL_HOSTD_ENGINES_H
#define ATOLL_HOSTD_ENGINES_H

#include "engine/engine.h"

#include <stddef.h>

enum { ENGINES_MAX = 4 };

struct engine_entry {
    const struct engine_operations *operations;
    struct engine *engine;
    struct engine_call closed; /* of engines_close */
};

struct engines {
    struct engine_entry entries[ENGINES_MAX];
    size_t count;
    size_t open_count; /* while they are being closed */
    struct engine_call *close_call;
};

/* A sandbox and the name of its engine. */
struct listed_sandbox {
    const char *engine;
    struct engine_sandbox sandbox;
};

/* Opens all in that order; the table ends with NULL. 0, or -1 with err; engines_free in any case. */
int engines_open(struct engines *engines, const struct engine_operations *const table[],
                 const struct engine_context *context, struct error *err);
int engines_adopt(struct engines *engines, struct error *err);

/* Closes all at once; on_done when the last one is. */
void engines_close(struct engines *engines, bool everything, struct engine_call *call);
void engines_free(struct engines *engines);

/* NULL with err (ERR_VALIDATION) when there is no such engine. */
struct engine_entry *engines_named(struct engines *engines, const char *name, struct error *err);

/* The engine that has something of the sandbox, of the snapshot; the first one when none has, so that it is
 * the one to say so. */
struct engine_entry *engines_of(struct engines *engines, const char *id);
struct engine_entry *engines_of_snapshot(struct engines *engines, const char *snapshot_id);

/* The engine of that create, once it is sure that no other one has the sandbox (ERR_CONFLICT) or the snapshot
 * (ERR_NOT_RESTORABLE). NULL with err. */
struct engine_entry *engines_for_create(struct engines *engines, const char *name,
                                        const struct engine_create *plan, struct error *err);
/* The same for a snapshot. ERR_CONFLICT: another engine has one with that id. */
struct engine_entry *engines_for_snapshot(struct engines *engines,
                                          const struct engine_snapshot *plan, struct error *err);

/* Of all engines, in the order of ids. The list is the caller's to free(). */
int engines_list(struct engines *engines, struct listed_sandbox **ret_list, size_t *ret_count,
                 struct error *err);
int engines_snapshot_list(struct engines *engines, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                          struct error *err);

#endif
