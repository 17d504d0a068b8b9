/* Samples of one measurement and what is said of them. */
#ifndef ATOLL_BENCH_STATS_H
#define ATOLL_BENCH_STATS_H

#include <jansson.h>
#include <stdint.h>

int64_t now_ns(void);
double ms_since(int64_t start_ns);
void pause_for_ms(int ms);

/* {"count","p50","p95","p99","min","max","mean"} of the values, which are sorted in place; a new
 * reference. Nearest-rank percentiles. */
json_t *stats_json(double *values, size_t count);

#endif
