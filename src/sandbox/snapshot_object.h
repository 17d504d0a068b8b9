/* A snapshot as the API shows it. */
#ifndef ATOLL_SANDBOX_SNAPSHOT_OBJECT_H
#define ATOLL_SANDBOX_SNAPSHOT_OBJECT_H

#include "sandbox/snapshot.h"
#include "store/store_snapshot_stats.h"

/* New reference. */
json_t *snapshot_object(struct sandboxes *sandboxes, const struct store_snapshot *snapshot);

/* A sandbox's snapshots together; new reference. */
json_t *snapshot_group_object(struct sandboxes *sandboxes,
                              const struct store_snapshot_group *group);

#endif
