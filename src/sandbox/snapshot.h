/*
 * Snapshots: the saved files of a sandbox, which outlive it; restoring them into it, and making sandboxes of
 * them. Any thread. A snapshot has a record in the store and files at atoll-host; what lacks one of the two is
 * put right when atoll-host is found (sandbox/snapshot_care.c).
 */
#ifndef ATOLL_SANDBOX_SNAPSHOT_H
#define ATOLL_SANDBOX_SNAPSHOT_H

#include "base/error.h"
#include "base/ids.h"
#include "sandbox/sandbox.h"
#include "store/principal.h"
#include "store/store_snapshot_stats.h"
#include "store/store_snapshots.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What keeps a snapshot from being deleted. */
enum snapshot_hold_kind {
    SNAPSHOT_HOLD_TAKING,
    SNAPSHOT_HOLD_RESTORE,
    SNAPSHOT_HOLD_FORK,
    SNAPSHOT_HOLD_VIEW,   /* its files are made ready to be shown */
    SNAPSHOT_HOLD_NAMING, /* it is given a name */
    SNAPSHOT_HOLD_DELETING, /* excludes all others */
};

struct snapshot_hold {
    struct snapshot_hold *next;
    char id[ID_SIZE];
    char sandbox_id[ID_SIZE]; /* on whose behalf, or "" */
    enum snapshot_hold_kind kind;
};

/*
 * In the next ones sandbox_id NULL means whichever sandbox it is of; otherwise a snapshot of another one is
 * not found. A snapshot object is {id, sandbox_id, resource, status, comment, keep, …}, a new reference.
 */

/* Saves the files of a running or paused sandbox, which goes on as it was. options: {comment, keep,
 * retention_seconds | expiration_seconds | expiration_days}. ERR_SNAPSHOT_LIMIT, ERR_NOT_RUNNING. */
int snapshot_create(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *sandbox_id, json_t *options, json_t **ret_json, struct error *err);

int snapshot_get(struct sandboxes *sandboxes, const struct principal *principal,
                 const char *sandbox_id, const char *id, json_t **ret_json, struct error *err);

/* Those of the tenant that filter (its tenant_id is ignored) selects: *ret_list is an array. */
int snapshot_list(struct sandboxes *sandboxes, const struct principal *principal,
                  const struct store_snapshot_filter *filter, json_t **ret_list, int64_t *ret_total,
                  struct error *err);

/* The same by the sandbox that they are of: {resource, snapshot_count, …}. */
int snapshot_groups(struct sandboxes *sandboxes, const struct principal *principal,
                    const struct store_snapshot_filter *filter, json_t **ret_list,
                    int64_t *ret_total, struct error *err);

/* Removes it and its files. ERR_SNAPSHOT_IN_USE: see snapshot_dependents. */
int snapshot_delete(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *sandbox_id, const char *id, struct error *err);

/* Who holds it just now: an array of {type, id, label}; new reference. */
json_t *snapshot_dependents(struct sandboxes *sandboxes, const char *id);

/* For /metrics: what there is, and what was done since this process began. */
struct snapshot_counts {
    struct store_snapshot_stats stored;
    int64_t taken_total, failed_total, deleted_total, restored_total, restore_failed_total,
        forked_total;
    int64_t pauses_total, pause_us_total; /* of running sandboxes, for snapshots and forks */
    int64_t views;                        /* hidden sandboxes that show files */
};

int snapshots_counts(struct sandboxes *sandboxes, struct snapshot_counts *ret_counts,
                     struct error *err);

/* Puts the files of one of its own snapshots in the place of the sandbox's: its processes are ended, and those that
 * the snapshot has go on, or with files_only, or when it has none, new ones are started, under the same id. ERR_NOT_RESTORABLE says why a snapshot cannot be used; the
 * sandbox then has the files that it had. *ret_json: the sandbox. */
int sandbox_restore(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *sandbox_id, const char *snapshot_id, bool files_only,
                    json_t **ret_json, struct error *err);

/* What a new sandbox is made from: a snapshot, held. */
struct sandbox_origin {
    char snapshot_id[ID_SIZE], digest[SNAPSHOT_DIGEST_SIZE];
    bool memory;        /* its processes go on */
    json_t *definition; /* of the sandbox that the files are of */
    json_t *request;    /* the caller's, completed: for sandbox_spec_parse; then set spec.origin */
    /* internal */
    struct snapshot_hold hold;
    bool temporary; /* a snapshot without a record, removed by sandbox_origin_close */
    int64_t retention_sec;
};

/* Holds a snapshot and completes a create request: what it leaves out is as it was in the sandbox that the
 * snapshot is of (but name, slug, tags and always_on). ERR_NOT_FOUND and others name the field snapshot_id. */
int sandbox_origin_open(struct sandboxes *sandboxes, const struct principal *principal,
                        const char *sandbox_id, const char *snapshot_id, json_t *request,
                        struct sandbox_origin *ret_origin, struct error *err);

/* The same with the files that the sandbox, running or paused, has now. */
int sandbox_origin_of(struct sandboxes *sandboxes, const struct principal *principal,
                      const char *sandbox_id, json_t *request, struct sandbox_origin *ret_origin,
                      struct error *err);

/* used: a sandbox was made of it. Accepts a zeroed one. */
void sandbox_origin_close(struct sandboxes *sandboxes, struct sandbox_origin *origin, bool used);

#endif
