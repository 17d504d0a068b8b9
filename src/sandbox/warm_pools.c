#include "sandbox/warm_pools.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sandbox/fields.h"
#include "sandbox/internal.h"
#include "sandbox/sizes.h"
#include "sandbox/warm_plans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t at_most_max(int64_t wanted)
{
    return wanted < WARM_TARGET_MAX ? wanted : WARM_TARGET_MAX;
}

static int send_pool(struct sandboxes *sandboxes, const struct warm_plans *plans,
                     const struct store_warm_pool *pool, struct error *err)
{
    struct host_shape shape;
    if (!warm_pool_shape(sandboxes, pool, &shape)) {
        return 0;
    }
    int64_t wanted = at_most_max(warm_plans_wanted(sandboxes, plans, &shape));
    return host_pool(sandboxes->host, &shape, wanted, err);
}

/* Those that atoll-host keeps since other settings held. */
static void retract_others(struct sandboxes *sandboxes, const struct warm_plans *plans)
{
    auto_free struct host_pool *known = NULL;
    size_t count = 0;
    struct error err = {0};
    int result = host_pool_status(sandboxes->host, &known, &count, &err);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (known[i].wanted > 0 && warm_plans_wanted(sandboxes, plans, &known[i].shape) == 0) {
            result = host_pool(sandboxes->host, &known[i].shape, 0, &err);
        }
    }
    if (result < 0) {
        log_warn("warm_pools.not_retracted", "error=%s", err.message);
    }
}

void warm_pools_send(struct sandboxes *sandboxes)
{
    auto_warm_plans struct warm_plans plans = {0};
    struct error err = {0};
    pthread_mutex_lock(&sandboxes->warm_mutex);
    if (warm_plans_read(sandboxes, &plans, &err) < 0) {
        log_warn("warm_pools.unread", "error=%s", err.message);
    } else {
        retract_others(sandboxes, &plans);
    }
    const struct store_warm_pool *pool;
    for (size_t i = 0; (pool = warm_plans_at(&plans, i)); i++) {
        if (send_pool(sandboxes, &plans, pool, &err) < 0) {
            log_warn("warm_pools.refused", "template=%s engine=%s error=%s", pool->template_id,
                     pool->engine, err.message);
        }
    }
    pthread_mutex_unlock(&sandboxes->warm_mutex);
}

/* --- what operators see --- */

static json_t *size_name(const struct store_warm_pool *pool)
{
    for (const struct sandbox_size *size = sandbox_sizes; size->name; size++) {
        if (size->cpu_count == pool->cpu_count && size->memory_mb == pool->memory_mb &&
            size->disk_mb == pool->disk_mb) {
            return json_string(size->name);
        }
    }
    return json_null();
}

static json_t *mean_ms(const struct host_pool *status)
{
    return status->refills > 0
               ? json_real((double)status->refill_us / (double)status->refills / 1000.0)
               : json_null();
}

static void add_status(json_t *object, const struct host_pool *status)
{
    json_t *members =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "ready", (json_int_t)status->ready,
                  "preparing", (json_int_t)status->preparing, "hits", (json_int_t)status->hits,
                  "misses", (json_int_t)status->misses, "refills", (json_int_t)status->refills,
                  "refill_ms", mean_ms(status), "problem",
                  status->problem[0] ? json_string(status->problem) : json_null());
    json_object_update(object, members);
    json_decref(members);
}

static json_t *pool_object(const struct store_warm_pool *pool, const struct host_pool *status,
                           bool configured)
{
    json_t *object =
        json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:s, s:I, s:s}", "engine", pool->engine, "size",
                  size_name(pool), "cpu_count", (json_int_t)pool->cpu_count, "memory_mb",
                  (json_int_t)pool->memory_mb, "disk_mb", (json_int_t)pool->disk_mb,
                  "process_limit", (json_int_t)pool->process_limit, "network", pool->network,
                  "target", (json_int_t)pool->target, "source", configured ? "settings" : "api");
    add_status(object, status);
    return object;
}

static const struct host_pool *find_status(const struct host_pool *known, size_t count,
                                           const struct host_shape *shape)
{
    for (size_t i = 0; i < count; i++) {
        if (warm_shape_same(&known[i].shape, shape)) {
            return &known[i];
        }
    }
    return NULL;
}

static int describe(struct sandboxes *sandboxes, const struct warm_plans *plans,
                    const struct template_definition *definition, json_t **ret_json,
                    struct error *err)
{
    auto_free struct host_pool *known = NULL;
    size_t known_count = 0;
    if (host_pool_status(sandboxes->host, &known, &known_count, err) < 0) {
        return -1;
    }
    json_t *list = json_array();
    const struct store_warm_pool *pool;
    for (size_t i = 0; (pool = warm_plans_at(plans, i)); i++) {
        static const struct host_pool nothing;
        struct host_shape shape;
        if (strcmp(pool->template_id, definition->id) == 0 &&
            warm_pool_shape(sandboxes, pool, &shape)) {
            const struct host_pool *status = find_status(known, known_count, &shape);
            json_array_append_new(
                list, pool_object(pool, status ? status : &nothing, pool == &plans->fallback));
        }
    }
    *ret_json = json_pack("{s:s, s:o}", "template_id", definition->id, "pools", list);
    return *ret_json ? 0 : error_set(err, ERR_INTERNAL, ENOMEM, "describe the warm pools");
}

int warm_pools_get(struct sandboxes *sandboxes, const struct template_definition *definition,
                   json_t **ret_json, struct error *err)
{
    auto_warm_plans struct warm_plans plans = {0};
    return warm_plans_read(sandboxes, &plans, err) < 0
               ? -1
               : describe(sandboxes, &plans, definition, ret_json, err);
}

/* --- a change --- */

static int check_members(json_t *request, struct error *err)
{
    static const char known[] = " target engine size cpu_count memory_mb disk_mb disk_size_mb"
                                " process_limit network ";
    const char *key;
    json_t *value;
    json_object_foreach(request, key, value)
    {
        char word[40];
        snprintf(word, sizeof(word), " %.36s ", key);
        if (!key[0] || strchr(key, ' ') || !strstr(known, word)) {
            error_set_field(err, ERR_VALIDATION, key, "there is no field '%.64s'", key);
            return error_hint(err, "Use target and engine, size, cpu_count, memory_mb, disk_mb, "
                                   "process_limit, network.");
        }
    }
    return 0;
}

/* The shape that a create request with these members would get. */
static int parse_pool(struct sandboxes *sandboxes, const struct template_definition *definition,
                      json_t *request, struct store_warm_pool *ret_pool, struct error *err)
{
    struct sandbox_spec spec;
    *ret_pool = (struct store_warm_pool){0};
    int found = field_read_int(request, "target", 0, WARM_TARGET_MAX, &ret_pool->target, err);
    if (found == 0) {
        error_set_field(err, ERR_MISSING_PARAM, "target",
                        "target is missing: how many to keep ready");
    }
    if (found <= 0 || check_members(request, err) < 0) {
        return -1;
    }
    json_t *create = json_copy(request);
    json_object_del(create, "target");
    json_object_set_new(create, "template_id", json_string(definition->id));
    int result = sandbox_spec_parse(sandboxes->settings, sandboxes->catalogue, create, &spec, err);
    json_decref(create);
    if (result < 0 || sandboxes_choose_engine(sandboxes, spec.engine, ret_pool->engine, err) < 0) {
        return -1;
    }
    snprintf(ret_pool->template_id, sizeof(ret_pool->template_id), "%s", definition->id);
    snprintf(ret_pool->network, sizeof(ret_pool->network), "%s",
             spec.network == HOST_NETWORK_NONE ? "none" : "egress");
    ret_pool->cpu_count = spec.cpu_count;
    ret_pool->memory_mb = spec.memory_mb;
    ret_pool->disk_mb = spec.disk_mb;
    ret_pool->process_limit = spec.process_limit;
    return 0;
}

/* A target of 0 is kept only where it stands against the settings' pool. */
static int keep(struct sandboxes *sandboxes, const struct store_warm_pool *pool, struct error *err)
{
    struct store_warm_pool fallback;
    warm_pool_of_settings(sandboxes, &fallback);
    return pool->target == 0 && !warm_pool_same(pool, &fallback)
               ? store_warm_pool_delete(sandboxes->store, pool, err)
               : store_warm_pool_put(sandboxes->store, pool, err);
}

/* atoll-host first: what it refuses is not kept. */
static int tell_and_keep(struct sandboxes *sandboxes, const struct store_warm_pool *pool,
                         struct error *err)
{
    auto_warm_plans struct warm_plans plans = {0};
    struct host_shape shape;
    struct error ignored;
    if (warm_plans_read(sandboxes, &plans, err) < 0 || !warm_pool_shape(sandboxes, pool, &shape)) {
        return -1;
    }
    int64_t others = warm_plans_wanted(sandboxes, &plans, &shape) - warm_plans_target(&plans, pool);
    if (host_pool(sandboxes->host, &shape, at_most_max(others + pool->target), err) < 0) {
        return -1;
    }
    if (keep(sandboxes, pool, err) < 0) {
        host_pool(sandboxes->host, &shape,
                  at_most_max(warm_plans_wanted(sandboxes, &plans, &shape)), &ignored);
        return -1;
    }
    return 0;
}

int warm_pools_set(struct sandboxes *sandboxes, const struct template_definition *definition,
                   json_t *request, json_t **ret_json, struct error *err)
{
    struct store_warm_pool pool;
    if (parse_pool(sandboxes, definition, request, &pool, err) < 0) {
        return -1;
    }
    pthread_mutex_lock(&sandboxes->warm_mutex);
    int result = tell_and_keep(sandboxes, &pool, err);
    pthread_mutex_unlock(&sandboxes->warm_mutex);
    if (result < 0) {
        return -1;
    }
    log_info("warm_pool.set", "template=%s engine=%s memory_mb=%lld target=%lld", pool.template_id,
             pool.engine, (long long)pool.memory_mb, (long long)pool.target);
    return warm_pools_get(sandboxes, definition, ret_json, err);
}
