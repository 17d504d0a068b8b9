/* What snapshots amount to: of the instance, and of each sandbox. */
#ifndef ATOLL_STORE_STORE_SNAPSHOT_STATS_H
#define ATOLL_STORE_STORE_SNAPSHOT_STATS_H

#include "store/store_snapshots.h"

struct store_snapshot_stats {
    int64_t by_status[SNAPSHOT_FAILED + 1];
    int64_t stored_bytes, memory_bytes; /* memory_bytes: of stored_bytes */
    int64_t named;
};

/* All tenants'. */
int store_snapshot_stats(struct store *store, struct store_snapshot_stats *ret_stats,
                         struct error *err);

/* The snapshots of one sandbox, which may be gone. */
struct store_snapshot_group {
    char sandbox_id[ID_SIZE];
    char workspace_id[ID_SIZE], sandbox_name[128]; /* as in the newest of them */
    char newest_id[ID_SIZE];
    int64_t newest_ms;
    int64_t count, named_count, keep_count, stored_bytes;
};

/* Of those that match, newest first; as store_snapshot_list. *ret_groups is the caller's to free(). */
int store_snapshot_groups(struct store *store, const struct store_snapshot_filter *filter,
                          struct store_snapshot_group **ret_groups, size_t *ret_count,
                          int64_t *ret_total, struct error *err);

#endif
