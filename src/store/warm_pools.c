#include "store/store_warm_pools.h"

#include "store/database.h"

#include <errno.h>
#include <stdlib.h>

int store_warm_pool_put(struct store *store, const struct store_warm_pool *pool, struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(
        store, err,
        "INSERT INTO warm_pools (template_id, engine, network, cpu_count, memory_mb, disk_mb,"
        " process_limit, target) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT DO UPDATE SET target = ?8",
        "tttiiiii", pool->template_id, pool->engine, pool->network, pool->cpu_count,
        pool->memory_mb, pool->disk_mb, pool->process_limit, pool->target);
}

int store_warm_pool_delete(struct store *store, const struct store_warm_pool *pool,
                           struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    return store_execute(store, err,
                         "DELETE FROM warm_pools WHERE template_id = ? AND engine = ? AND"
                         " network = ? AND cpu_count = ? AND memory_mb = ? AND disk_mb = ? AND"
                         " process_limit = ?",
                         "tttiiii", pool->template_id, pool->engine, pool->network, pool->cpu_count,
                         pool->memory_mb, pool->disk_mb, pool->process_limit);
}

static void read_pool(sqlite3_stmt *row, struct store_warm_pool *pool)
{
    *pool = (struct store_warm_pool){
        .cpu_count = sqlite3_column_int64(row, 3),
        .memory_mb = sqlite3_column_int64(row, 4),
        .disk_mb = sqlite3_column_int64(row, 5),
        .process_limit = sqlite3_column_int64(row, 6),
        .target = sqlite3_column_int64(row, 7),
    };
    store_column_text(row, 0, pool->template_id, sizeof(pool->template_id));
    store_column_text(row, 1, pool->engine, sizeof(pool->engine));
    store_column_text(row, 2, pool->network, sizeof(pool->network));
}

int store_warm_pool_list(struct store *store, struct store_warm_pool **ret_pools, size_t *ret_count,
                         struct error *err)
{
    struct store *locked STORE_LOCKED = store_lock(store);
    struct store_warm_pool *pools = NULL;
    size_t count = 0;
    sqlite3_stmt *row;
    int more =
        store_first_row(store, &row, err,
                        "SELECT template_id, engine, network, cpu_count, memory_mb, disk_mb,"
                        " process_limit, target FROM warm_pools ORDER BY template_id, engine,"
                        " memory_mb, cpu_count",
                        "");
    while (more == 1) {
        struct store_warm_pool *longer = reallocarray(pools, count + 1, sizeof(*pools));
        if (!longer) {
            sqlite3_reset(row);
            more = error_set(err, ERR_INTERNAL, errno, "read the warm pools");
            break;
        }
        pools = longer;
        read_pool(row, &pools[count++]);
        more = store_step(store, row, err);
    }
    if (more < 0) {
        free(pools);
        return -1;
    }
    *ret_pools = pools;
    *ret_count = count;
    return 0;
}
