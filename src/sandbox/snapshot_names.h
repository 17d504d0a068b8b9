/*
 * Named snapshots: a name keeps a snapshot from being deleted and from expiring, and stands for its id where one is
 * used. Any thread.
 */
#ifndef ATOLL_SANDBOX_SNAPSHOT_NAMES_H
#define ATOLL_SANDBOX_SNAPSHOT_NAMES_H

#include "sandbox/snapshot.h"

/* A named snapshot is {name, snapshot_id, sandbox_id, status, size_bytes, created_at, snapshot}, a new reference. */

/* Names a snapshot, or (snapshot_id NULL) one that is taken of the sandbox now. ERR_VALIDATION (name), ERR_NAME_TAKEN,
 * ERR_SNAPSHOT_LIMIT, ERR_SNAPSHOT_NOT_READY, and those of snapshot_create. */
int snapshot_name_give(struct sandboxes *sandboxes, const struct principal *principal,
                       const char *name, const char *snapshot_id, const char *sandbox_id,
                       json_t **ret_json, struct error *err);

int snapshot_name_get(struct sandboxes *sandboxes, const struct principal *principal,
                      const char *name, json_t **ret_json, struct error *err);

/* *ret_list: an array, in the order of names; *ret_allowance: {included, used, remaining}. */
int snapshot_name_list(struct sandboxes *sandboxes, const struct principal *principal,
                       json_t **ret_list, json_t **ret_allowance, struct error *err);

/* Gives the name up. *ret_json: {name, snapshot_id, outcome}: "released", the snapshot had been there before and is what
 * it was; "deleted", it was taken for the name and is gone, too; "kept", so it was, but is in use or to be kept. */
int snapshot_name_release(struct sandboxes *sandboxes, const struct principal *principal,
                          const char *name, json_t **ret_json, struct error *err);

#endif
