/* Token buckets: so many requests a minute per key, with a bounded memory. Any thread. */
#ifndef ATOLL_HTTP_RATELIMIT_H
#define ATOLL_HTTP_RATELIMIT_H

#include <stdint.h>

struct ratelimit;

/* per_minute 0: unlimited. NULL when memory is out. */
struct ratelimit *ratelimit_new(int64_t per_minute);

/* Accepts NULL; returns NULL. */
struct ratelimit *ratelimit_free(struct ratelimit *limit);

/* Takes one token of the key's bucket, which holds a minute's worth. Returns 0, or the milliseconds
 * until there will be one. now_ms: monotonic. */
int64_t ratelimit_take(struct ratelimit *limit, const char *key, int64_t now_ms);

#endif
