/* How much may sandboxes that nobody has asked for yet take of the host? */
#ifndef ATOLL_ENGINE_WARM_BUDGET_H
#define ATOLL_ENGINE_WARM_BUDGET_H

#include "base/error.h"
#include "base/settings.h"

#include <stdint.h>

enum {
    WARM_POOLS_MAX = 32,   /* shapes of one engine */
    WARM_WANTED_MAX = 64,  /* sandboxes of one shape */
    WARM_MEMORY_SHARE = 4, /* together at most 1/4 of the memory that is free */
    WARM_RETRY_MS = 5000,  /* after a refill that failed */
    WARM_LOST_MS = 500,    /* after one that was ready ended by itself */
    WARM_LOOK_MS =
        10 * 1000, /* between looks at what has changed unasked (templates, free memory) */
};

/* May one more be made that takes about cost_bytes, beside those that take used_bytes? 0, or -1 with
 * ERR_CAPACITY and the limit that forbids it. */
int warm_budget_check(const struct settings *settings, int64_t used_bytes, int64_t cost_bytes,
                      struct error *err);

/* Refills let the creates go ahead, and their first commands, but not for ever. */
struct warm_pace {
    int64_t not_before_ms, waits_since_ms; /* of clock_monotonic_ms */
};

/* A create begins: no refill for wait_ms from now on, though all such waits together end after most_ms. */
void warm_pace_hold(struct warm_pace *pace, int64_t now_ms, int64_t wait_ms, int64_t most_ms);
/* How long refills wait yet; 0: they may begin. */
int64_t warm_pace_left_ms(const struct warm_pace *pace, int64_t now_ms);
/* A refill was considered: the next wait is a new one. */
void warm_pace_release(struct warm_pace *pace);

#endif
