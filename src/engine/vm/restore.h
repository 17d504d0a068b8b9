/*
 * What a machine starts from when it is not new: a snapshot, or what a stop or a suspension left. For helpers, unless noted.
 *
 * A machine never writes to an image that somebody else holds or that belongs to saved memory: it gets a new top. So what
 * was saved can be loaded again as long as nobody was told that it runs on.
 */
#ifndef ATOLL_ENGINE_VM_RESTORE_H
#define ATOLL_ENGINE_VM_RESTORE_H

#include "engine/vm/state.h"

/* Makes the directory, if it is not there, and fills it with what a sandbox made of the plan's snapshot starts from: with
 * saved/ when its memory is wanted and fits here, else without memory.base. ERR_NOT_RESTORABLE when the snapshot is not
 * whole. */
int restore_prepare(const struct engine *engine, const struct engine_create *plan,
                    const char *directory, struct error *err);

/* The layers for a machine that starts in that directory, from its saved memory or not. The top is its own. */
int restore_layers(int directory_fd, bool from_saved, struct vm_layers *ret_layers,
                   struct error *err);

/* Of a sandbox whose machine does not run, when atoll-host may have ended at any moment; fast. running: its start was
 * recorded as done. Puts back what was not used, removes what is of no use. Is it suspended? */
bool saved_settle(const char *directory, bool running);

#endif
