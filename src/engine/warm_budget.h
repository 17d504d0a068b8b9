/* How much may sandboxes that nobody has asked for yet take of the host? */
#ifndef ATOLL_ENGINE_WARM_BUDGET_H
#define ATOLL_ENGINE_WARM_BUDGET_H

#include "base/error.h"
#include "base/settings.h"

#include <stdint.h>

enum {
    WARM_POOLS_MAX = 32,       /* shapes of one engine */
    WARM_WANTED_MAX = 64,      /* sandboxes of one shape */
    WARM_MEMORY_SHARE = 4,     /* together at most 1/4 of the memory that is free */
    WARM_AFTER_CREATE_MS = 20, /* a refill lets the request go ahead that took the last one … */
    WARM_WAIT_MAX_MS = 500,    /* … and those that follow, but no longer than this */
    WARM_RETRY_MS = 5000,      /* after a refill that failed */
    WARM_LOST_MS = 500,        /* after one that was ready ended by itself */
    WARM_LOOK_MS =
        10 * 1000, /* between looks at what has changed unasked (templates, free memory) */
};

/* May one more be made that takes about cost_bytes, beside those that take used_bytes? 0, or -1 with
 * ERR_CAPACITY and the limit that forbids it. */
int warm_budget_check(const struct settings *settings, int64_t used_bytes, int64_t cost_bytes,
                      struct error *err);

#endif
