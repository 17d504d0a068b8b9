/* What operators asked to keep ready: sandboxes of a template, engine and shape. */
#ifndef ATOLL_STORE_STORE_WARM_POOLS_H
#define ATOLL_STORE_STORE_WARM_POOLS_H

#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

/* All but target name it. */
struct store_warm_pool {
    char template_id[129];
    char engine[16];
    char network[8]; /* "egress", "none" */
    int64_t cpu_count, memory_mb, disk_mb, process_limit;
    int64_t target; /* how many; 0 is kept as well, since it may stand against a default */
};

/* Adds it or sets its target. */
int store_warm_pool_put(struct store *store, const struct store_warm_pool *pool, struct error *err);

/* Succeeds when there is none. */
int store_warm_pool_delete(struct store *store, const struct store_warm_pool *pool,
                           struct error *err);

/* All, by template. *ret_pools is the caller's to free(). */
int store_warm_pool_list(struct store *store, struct store_warm_pool **ret_pools, size_t *ret_count,
                         struct error *err);

#endif
