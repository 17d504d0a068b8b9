#include "sandbox/warm_plans.h"

#include "sandbox/internal.h"

#include <stdio.h>
#include <string.h>

enum { MEBIBYTE = 1024 * 1024 };

bool warm_pool_same(const struct store_warm_pool *a, const struct store_warm_pool *b)
{
    return a->cpu_count == b->cpu_count && a->memory_mb == b->memory_mb &&
           a->disk_mb == b->disk_mb && a->process_limit == b->process_limit &&
           strcmp(a->template_id, b->template_id) == 0 && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->network, b->network) == 0;
}

static int64_t first_positive(int64_t a, int64_t b)
{
    return a > 0 ? a : b;
}

void warm_pool_of_settings(struct sandboxes *sandboxes, struct store_warm_pool *ret_pool)
{
    const struct settings *settings = sandboxes->settings;
    const struct template_definition *definition =
        catalogue_find(sandboxes->catalogue, catalogue_default_id);
    struct error ignored;
    char engine[16] = "";
    *ret_pool = (struct store_warm_pool){0};
    if (!definition || settings->warm_sandboxes == 0 ||
        sandboxes_choose_engine(sandboxes,
                                definition->engine ? definition->engine : settings->engine, engine,
                                &ignored) < 0) {
        return;
    }
    *ret_pool = (struct store_warm_pool){
        .network = "egress",
        .cpu_count = first_positive(definition->cpu_count, settings->default_cpu),
        .memory_mb = first_positive(definition->memory_mb, settings->default_memory_mb),
        .disk_mb = first_positive(definition->disk_mb, settings->default_disk_mb),
        .process_limit = settings->process_limit,
        .target = settings->warm_sandboxes,
    };
    snprintf(ret_pool->engine, sizeof(ret_pool->engine), "%s", engine);
    snprintf(ret_pool->template_id, sizeof(ret_pool->template_id), "%s", definition->id);
}

int warm_plans_read(struct sandboxes *sandboxes, struct warm_plans *plans, struct error *err)
{
    *plans = (struct warm_plans){0};
    if (store_warm_pool_list(sandboxes->store, &plans->pools, &plans->count, err) < 0) {
        return -1;
    }
    warm_pool_of_settings(sandboxes, &plans->fallback);
    for (size_t i = 0; i < plans->count; i++) {
        plans->fallback_replaced |= warm_pool_same(&plans->pools[i], &plans->fallback);
    }
    return 0;
}

const struct store_warm_pool *warm_plans_at(const struct warm_plans *plans, size_t i)
{
    if (i < plans->count) {
        return &plans->pools[i];
    }
    bool extra = plans->fallback.target > 0 && !plans->fallback_replaced;
    return i == plans->count && extra ? &plans->fallback : NULL;
}

bool warm_pool_shape(struct sandboxes *sandboxes, const struct store_warm_pool *pool,
                     struct host_shape *ret_shape)
{
    const struct template_definition *definition =
        catalogue_find(sandboxes->catalogue, pool->template_id);
    if (!definition) {
        return false;
    }
    *ret_shape = (struct host_shape){
        .cpu_count = pool->cpu_count,
        .memory_bytes = pool->memory_mb * MEBIBYTE,
        .disk_bytes = pool->disk_mb * MEBIBYTE,
        .process_limit = pool->process_limit,
        .network = strcmp(pool->network, "none") == 0 ? HOST_NETWORK_NONE : HOST_NETWORK_EGRESS};
    snprintf(ret_shape->engine, sizeof(ret_shape->engine), "%s", pool->engine);
    snprintf(ret_shape->template_image, sizeof(ret_shape->template_image), "%s",
             definition->image_id);
    return true;
}

bool warm_shape_same(const struct host_shape *a, const struct host_shape *b)
{
    return a->cpu_count == b->cpu_count && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->process_limit == b->process_limit &&
           a->network == b->network && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->template_image, b->template_image) == 0;
}

int64_t warm_plans_wanted(struct sandboxes *sandboxes, const struct warm_plans *plans,
                          const struct host_shape *shape)
{
    struct host_shape other;
    int64_t wanted = 0;
    const struct store_warm_pool *pool;
    for (size_t i = 0; (pool = warm_plans_at(plans, i)); i++) {
        if (warm_pool_shape(sandboxes, pool, &other) && warm_shape_same(&other, shape)) {
            wanted += pool->target;
        }
    }
    return wanted;
}

int64_t warm_plans_target(const struct warm_plans *plans, const struct store_warm_pool *pool)
{
    const struct store_warm_pool *other;
    for (size_t i = 0; (other = warm_plans_at(plans, i)); i++) {
        if (warm_pool_same(other, pool)) {
            return other->target;
        }
    }
    return 0;
}
