/* What the request for a snapshot may say. */
#ifndef ATOLL_SANDBOX_SNAPSHOT_OPTIONS_H
#define ATOLL_SANDBOX_SNAPSHOT_OPTIONS_H

#include "base/error.h"
#include "store/store_snapshots.h"

#include <jansson.h>

/* Checks {comment, keep, retention_seconds, expiration_seconds, expiration_days} and fills comment, keep,
 * retention and, counted from created_ms, the expiry. ERR_VALIDATION naming the member. */
int snapshot_options_take(json_t *options, struct store_snapshot *snapshot, struct error *err);

#endif
