/* Snapshots: what is known of each, also when its sandbox is gone. */
#ifndef ATOLL_STORE_STORE_SNAPSHOTS_H
#define ATOLL_STORE_STORE_SNAPSHOTS_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store.h"
#include "store/store_sandboxes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SNAPSHOT_COMMENT_MAX = 500, /* characters, of at most 4 bytes */
    SNAPSHOT_DIGEST_SIZE = 65,
    SNAPSHOT_NAME_SIZE = 64,
};

/* Made ready once, when its files are there; a failed one has lost them. */
enum snapshot_status { SNAPSHOT_CREATING, SNAPSHOT_READY, SNAPSHOT_FAILED };

/* Times are milliseconds since 1970, 0 = never. */
struct store_snapshot {
    char id[ID_SIZE], tenant_id[ID_SIZE], sandbox_id[ID_SIZE], workspace_id[ID_SIZE];
    char name[SNAPSHOT_NAME_SIZE]; /* read only: what it is kept under (store/store_snapshot_names.h), or "" */
    char sandbox_name[128];  /* when it was taken */
    char parent_id[ID_SIZE]; /* the snapshot that the sandbox's files began as, or "" */
    enum snapshot_status status;
    char comment[4 * SNAPSHOT_COMMENT_MAX + 1];
    char error[256]; /* why it failed */
    char digest[SNAPSHOT_DIGEST_SIZE];
    char engine[16];      /* that it was taken with, and that sandboxes of it have */
    int64_t memory_bytes; /* of stored_bytes; 0: processes are not in it */
    int64_t disk_bytes, stored_bytes, pause_us;
    bool keep;             /* never expires */
    int64_t retention_sec; /* expires so long after its last use; 0: does not */
    int64_t expires_ms, last_used_ms, created_ms, updated_ms;
    json_t *definition; /* what a sandbox made from it is like (sandbox/origin.c) */
};

const char *snapshot_status_name(enum snapshot_status status);

/* Drops the definition. */
void store_snapshot_clear(struct store_snapshot *snapshot);

/* Adds it unless the tenant has max of them: ERR_SNAPSHOT_LIMIT. */
int store_snapshot_insert(struct store *store, const struct store_snapshot *snapshot, int64_t max,
                          struct error *err);

/* It is ready: writes status and measures, and the event of its sandbox, in one transaction. */
int store_snapshot_finish(struct store *store, const struct store_snapshot *snapshot,
                          struct store_event event, struct error *err);

/* A ready one's files are gone, or not what they were. */
int store_snapshot_fail(struct store *store, const char *id, const char *reason, struct error *err);

/* It was used; it expires at expires_ms now (0: when it did). */
int store_snapshot_touch(struct store *store, const char *id, int64_t used_ms, int64_t expires_ms,
                         struct error *err);

/* Removes it; with event.type the event of its sandbox, in one transaction. */
int store_snapshot_delete(struct store *store, const struct store_snapshot *snapshot,
                          struct store_event event, struct error *err);

/* tenant_id NULL: anybody's. 1 (then clear it), 0 when there is none, -1. */
int store_snapshot_find(struct store *store, const char *tenant_id, const char *id,
                        struct store_snapshot *ret_snapshot, struct error *err);

struct store_snapshot_filter {
    const char *tenant_id;    /* NULL: all tenants' */
    const char *sandbox_id;   /* NULL: any */
    const char *workspace_id; /* NULL: any */
    const char *text;         /* NULL: any; else part of id, comment or sandbox's name */
    int64_t expired_ms;       /* 0: any; else those that expired by then */
    int64_t limit, offset;
};

/* Those that match, newest first. *ret_total (may be NULL): how many match without limit and offset.
 * *ret_snapshots is the caller's: store_snapshots_free. */
int store_snapshot_list(struct store *store, const struct store_snapshot_filter *filter,
                        struct store_snapshot **ret_snapshots, size_t *ret_count,
                        int64_t *ret_total, struct error *err);
void store_snapshots_free(struct store_snapshot *snapshots, size_t count);

#endif
