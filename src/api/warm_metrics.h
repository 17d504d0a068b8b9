/* Families of /metrics about sandboxes that are kept ready. */
#ifndef ATOLL_API_WARM_METRICS_H
#define ATOLL_API_WARM_METRICS_H

#include "base/buffer.h"
#include "hostclient/hostclient.h"

/* 0, or -1 when they do not fit. */
int warm_metrics_write(struct buffer *page, const struct host_pool *pools, size_t count);

#endif
