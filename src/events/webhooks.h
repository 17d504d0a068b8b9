/*
 * Webhooks: each stored event becomes a delivery for every webhook that asked for its type, exactly once, and
 * each delivery is sent until the receiver takes it or its retries are used up. One thread sends, many at a time.
 */
#ifndef ATOLL_EVENTS_WEBHOOKS_H
#define ATOLL_EVENTS_WEBHOOKS_H

#include "base/error.h"
#include "base/settings.h"
#include "events/events.h"
#include "store/store.h"

#include <stdint.h>

struct webhooks;

enum {
    WEBHOOKS_MAX = 50, /* of a tenant */
    WEBHOOK_RETRIES_MAX = 10,
    WEBHOOK_RETRIES_DEFAULT = 3,
    WEBHOOK_FAILURES_MAX =
        20, /* deliveries in a row that failed for good: then the webhook is "failed" */
    WEBHOOK_TIMEOUT_MS = 10000,  /* of an attempt */
    WEBHOOK_BODY_MAX = 64 * 1024 /* of a receiver's reply that is read */
};

/* All borrowed; settings->webhook_targets says where they may go. */
struct webhooks *webhooks_open(const struct settings *settings, struct store *store,
                               struct events *events, struct error *err);
/* Attempts under way are given up, and made again after the next start. Accepts NULL; returns NULL. */
struct webhooks *webhooks_close(struct webhooks *webhooks);

/* A webhook was made, changed or deleted, or a delivery was added to the store. Any thread. */
void webhooks_changed(struct webhooks *webhooks);

struct webhooks_counts {
    int64_t delivered_total, failed_total, attempts_total, in_flight;
};
void webhooks_count(struct webhooks *webhooks, struct webhooks_counts *ret_counts);

/* Milliseconds before the attempt after this many failed ones, without the random part: 1 s, 4 s, 16 s, … at most an
 * hour; retry_after_ms (0: none) when the receiver asked for more. Pure. */
int64_t webhook_backoff_ms(int64_t attempts, int64_t retry_after_ms);

#endif
