#include "api/warm_metrics.h"

#include <string.h>

static double wanted(const struct host_pool *pool)
{
    return (double)pool->wanted;
}

static double ready(const struct host_pool *pool)
{
    return (double)pool->ready;
}

static double hits(const struct host_pool *pool)
{
    return (double)pool->hits;
}

static double misses(const struct host_pool *pool)
{
    return (double)pool->misses;
}

static double refills(const struct host_pool *pool)
{
    return (double)pool->refills;
}

static double refill_seconds(const struct host_pool *pool)
{
    return (double)pool->refill_us / 1e6;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(const struct host_pool *pool);
} families[] = {
    {"atoll_warm_pool_wanted", "gauge", "Sandboxes that are to be kept ready.", wanted},
    {"atoll_warm_pool_ready", "gauge", "Sandboxes that can be claimed now.", ready},
    {"atoll_warm_pool_hits_total", "counter", "Creates that claimed one.", hits},
    {"atoll_warm_pool_misses_total", "counter", "Creates that found none ready.", misses},
    {"atoll_warm_pool_refills_total", "counter", "Sandboxes that were made ready.", refills},
    {"atoll_warm_pool_refill_seconds_total", "counter", "How long making them ready took.",
     refill_seconds},
};

static bool same_labels(const struct host_pool *a, const struct host_pool *b)
{
    return strcmp(a->shape.engine, b->shape.engine) == 0 &&
           strcmp(a->shape.template_image, b->shape.template_image) == 0;
}

/* Of all shapes with the labels of the i-th; nothing when an earlier one has them, too. */
static int write_sum(struct buffer *page, const struct host_pool *pools, size_t count, size_t i,
                     size_t family)
{
    double sum = 0;
    for (size_t other = 0; other < count; other++) {
        if (same_labels(&pools[i], &pools[other])) {
            if (other < i) {
                return 0;
            }
            sum += families[family].value(&pools[other]);
        }
    }
    return buffer_printf(page, "%s{engine=\"%s\",template=\"%s\"} %.10g\n", families[family].name,
                         pools[i].shape.engine, pools[i].shape.template_image, sum);
}

int warm_metrics_write(struct buffer *page, const struct host_pool *pools, size_t count)
{
    int failed = 0;
    for (size_t family = 0; family < sizeof(families) / sizeof(families[0]); family++) {
        failed |=
            buffer_printf(page, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
                          families[family].help, families[family].name, families[family].type);
        for (size_t i = 0; i < count; i++) {
            failed |= write_sum(page, pools, count, i, family);
        }
    }
    return failed ? -1 : 0;
}
