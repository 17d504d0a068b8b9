/* What /metrics tells of snapshots. */
#ifndef ATOLL_API_SNAPSHOT_METRICS_H
#define ATOLL_API_SNAPSHOT_METRICS_H

#include "base/buffer.h"
#include "sandbox/snapshot.h"

/* 0, or not when it does not fit. */
int snapshot_metrics_write(struct buffer *page, const struct snapshot_counts *counts);

#endif
