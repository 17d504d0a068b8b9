/* The text format of Prometheus. */
#ifndef ATOLL_API_PROMETHEUS_H
#define ATOLL_API_PROMETHEUS_H

#include "base/buffer.h"
#include "events/events.h"
#include "events/webhooks.h"
#include "gateway/gateway.h"
#include "hostclient/hostclient.h"
#include "http/http.h"
#include "sandbox/sandbox.h"
#include "sandbox/snapshot.h"

#include <stdint.h>

/* What one scrape tells. */
struct prometheus_facts {
    struct http_counters http;
    struct sandbox_counts sandboxes;
    struct snapshot_counts snapshots;
    struct gateway_counters gateway;
    struct events_counts events;
    struct webhooks_counts webhooks;
    struct host_info host;
    const struct host_pool *warm_pools; /* borrowed */
    size_t warm_pool_count;
    int64_t started_ms;     /* realtime */
    int64_t resident_bytes; /* of this process */
};

/* Appends the whole page. 0, or -1 when it does not fit. */
int prometheus_write(struct buffer *page, const struct prometheus_facts *facts);

#endif
