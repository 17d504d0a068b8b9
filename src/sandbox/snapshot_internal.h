/* Inside sandbox/: what the files about snapshots share. */
#ifndef ATOLL_SANDBOX_SNAPSHOT_INTERNAL_H
#define ATOLL_SANDBOX_SNAPSHOT_INTERNAL_H

#include "sandbox/internal.h"
#include "sandbox/snapshot.h"

/* --- snapshot_holds.c --- */

/* hold is the caller's and in use until hold_end. ERR_NOT_FOUND: it is being deleted. For
 * SNAPSHOT_HOLD_DELETING ERR_SNAPSHOT_IN_USE: somebody holds it. */
int hold_begin(struct sandboxes *sandboxes, struct snapshot_hold *hold, const char *id,
               enum snapshot_hold_kind kind, const char *sandbox_id, struct error *err);
void hold_end(struct sandboxes *sandboxes, struct snapshot_hold *hold);

/* --- snapshot_find.c --- */

/* The tenant's snapshot (of that sandbox, unless NULL); clear it. ERR_NOT_FOUND. */
int snapshot_find(struct sandboxes *sandboxes, const char *tenant_id, const char *sandbox_id,
                  const char *id, struct store_snapshot *ret_snapshot, struct error *err);

/* The same for one that is to be used, which can also be called by its name. ERR_SNAPSHOT_NOT_READY,
 * ERR_NOT_RESTORABLE. */
int snapshot_find_ready(struct sandboxes *sandboxes, const char *tenant_id, const char *sandbox_id,
                        const char *id, struct store_snapshot *ret_snapshot, struct error *err);

/* The same, held for whoever asks (the sandbox, or NULL) until hold_end, which is
 * called in any case. */
int snapshot_find_held(struct sandboxes *sandboxes, const char *tenant_id, const char *sandbox_id,
                       const char *id, enum snapshot_hold_kind kind, struct snapshot_hold *hold,
                       struct store_snapshot *ret_snapshot, struct error *err);

/* It was used: its retention begins anew. */
void snapshot_touch(struct sandboxes *sandboxes, const char *id, int64_t retention_sec);

/* --- snapshot_take.c --- */

/* May its files be saved now? Mutex held. ERR_NOT_RUNNING, ERR_STARTING. */
int snapshot_may_take(const struct sandbox *sandbox, struct error *err);

/* Has atoll-host save the files of the busy sandbox as that snapshot. Mutex held, given up meanwhile. On -1
 * nothing is left of it, or reconcile removes it. */
int snapshot_take_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       const char *snapshot_id, struct host_snapshot *ret_taken, struct error *err);

/* --- snapshots.c --- */

/* Removes record and files of one that the caller holds for deleting. */
int snapshot_remove_held(struct sandboxes *sandboxes, const struct store_snapshot *snapshot,
                         const char *source, struct error *err);

/* --- origin.c --- */

/* What a sandbox made from its files is like; new reference, NULL without memory. Mutex held. */
json_t *origin_definition(const struct sandbox_record *record);

/* Does the shape that was asked for fit the files? Names the field. */
int origin_check(const struct sandbox_spec *spec, struct error *err);

/* --- snapshot_care.c --- */

/* Brings records and files together. *ret_again becomes true when something could not be settled yet. */
void snapshots_reconcile(struct sandboxes *sandboxes, bool *ret_again);

/* Deletes those that have expired, a bounded number. */
void snapshots_expire(struct sandboxes *sandboxes);

#endif
