#include "sandbox/warm_pools.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sandbox/fields.h"
#include "sandbox/internal.h"
#include "sandbox/sizes.h"
#include "store/store_warm_pools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MEBIBYTE = 1024 * 1024 };

/* What is to be kept ready: what the store says, and what the settings say unless the store does. */
struct plans {
    struct store_warm_pool *pools;
    size_t count;
    struct store_warm_pool fallback; /* the settings'; target 0: none */
    bool fallback_replaced;          /* the store has one of that shape */
};

static void plans_clear(struct plans *plans)
{
    free(plans->pools);
}

#define auto_plans __attribute__((cleanup(plans_clear)))

static bool same_pool(const struct store_warm_pool *a, const struct store_warm_pool *b)
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

/* What a create request that says nothing gets, where that is a container. */
static void make_fallback(struct sandboxes *sandboxes, struct store_warm_pool *ret_pool)
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
                                &ignored) < 0 ||
        strcmp(engine, "container") != 0) {
        return;
    }
    *ret_pool = (struct store_warm_pool){
        .engine = "container",
        .network = "egress",
        .cpu_count = first_positive(definition->cpu_count, settings->default_cpu),
        .memory_mb = first_positive(definition->memory_mb, settings->default_memory_mb),
        .disk_mb = first_positive(definition->disk_mb, settings->default_disk_mb),
        .process_limit = settings->process_limit,
        .target = settings->warm_sandboxes,
    };
    snprintf(ret_pool->template_id, sizeof(ret_pool->template_id), "%s", definition->id);
}

static int plans_read(struct sandboxes *sandboxes, struct plans *plans, struct error *err)
{
    *plans = (struct plans){0};
    if (store_warm_pool_list(sandboxes->store, &plans->pools, &plans->count, err) < 0) {
        return -1;
    }
    make_fallback(sandboxes, &plans->fallback);
    for (size_t i = 0; i < plans->count; i++) {
        plans->fallback_replaced |= same_pool(&plans->pools[i], &plans->fallback);
    }
    return 0;
}

/* The i-th of them, or NULL behind the last one. */
static const struct store_warm_pool *plans_at(const struct plans *plans, size_t i)
{
    if (i < plans->count) {
        return &plans->pools[i];
    }
    bool extra = plans->fallback.target > 0 && !plans->fallback_replaced;
    return i == plans->count && extra ? &plans->fallback : NULL;
}

/* --- atoll-host's side --- */

/* False when the template is not in the catalogue any more. */
static bool make_shape(struct sandboxes *sandboxes, const struct store_warm_pool *pool,
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

static bool same_shape(const struct host_shape *a, const struct host_shape *b)
{
    return a->cpu_count == b->cpu_count && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->process_limit == b->process_limit &&
           a->network == b->network && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->template_image, b->template_image) == 0;
}

/* Templates may share an image: atoll-host keeps what they want together. */
static int64_t wanted_of(struct sandboxes *sandboxes, const struct plans *plans,
                         const struct host_shape *shape)
{
    struct host_shape other;
    int64_t wanted = 0;
    const struct store_warm_pool *pool;
    for (size_t i = 0; (pool = plans_at(plans, i)); i++) {
        if (make_shape(sandboxes, pool, &other) && same_shape(&other, shape)) {
            wanted += pool->target;
        }
    }
    return wanted;
}

static int64_t at_most_max(int64_t wanted)
{
    return wanted < WARM_TARGET_MAX ? wanted : WARM_TARGET_MAX;
}

static int send_pool(struct sandboxes *sandboxes, const struct plans *plans,
                     const struct store_warm_pool *pool, struct error *err)
{
    struct host_shape shape;
    if (!make_shape(sandboxes, pool, &shape)) {
        return 0;
    }
    int64_t wanted = at_most_max(wanted_of(sandboxes, plans, &shape));
    return host_pool(sandboxes->host, &shape, wanted, err);
}

void warm_pools_send(struct sandboxes *sandboxes)
{
    auto_plans struct plans plans = {0};
    struct error err = {0};
    pthread_mutex_lock(&sandboxes->warm_mutex);
    if (plans_read(sandboxes, &plans, &err) < 0) {
        log_warn("warm_pools.unread", "error=%s", err.message);
    }
    const struct store_warm_pool *pool;
    for (size_t i = 0; (pool = plans_at(&plans, i)); i++) {
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
        if (same_shape(&known[i].shape, shape)) {
            return &known[i];
        }
    }
    return NULL;
}

static int describe(struct sandboxes *sandboxes, const struct plans *plans,
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
    for (size_t i = 0; (pool = plans_at(plans, i)); i++) {
        static const struct host_pool nothing;
        struct host_shape shape;
        if (strcmp(pool->template_id, definition->id) == 0 && make_shape(sandboxes, pool, &shape)) {
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
    auto_plans struct plans plans = {0};
    return plans_read(sandboxes, &plans, err) < 0
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
    make_fallback(sandboxes, &fallback);
    return pool->target == 0 && !same_pool(pool, &fallback)
               ? store_warm_pool_delete(sandboxes->store, pool, err)
               : store_warm_pool_put(sandboxes->store, pool, err);
}

static int64_t target_of(const struct plans *plans, const struct store_warm_pool *pool)
{
    const struct store_warm_pool *other;
    for (size_t i = 0; (other = plans_at(plans, i)); i++) {
        if (same_pool(other, pool)) {
            return other->target;
        }
    }
    return 0;
}

/* atoll-host first: what it refuses is not kept. */
static int tell_and_keep(struct sandboxes *sandboxes, const struct store_warm_pool *pool,
                         struct error *err)
{
    auto_plans struct plans plans = {0};
    struct host_shape shape;
    struct error ignored;
    if (plans_read(sandboxes, &plans, err) < 0 || !make_shape(sandboxes, pool, &shape)) {
        return -1;
    }
    int64_t others = wanted_of(sandboxes, &plans, &shape) - target_of(&plans, pool);
    if (host_pool(sandboxes->host, &shape, at_most_max(others + pool->target), err) < 0) {
        return -1;
    }
    if (keep(sandboxes, pool, err) < 0) {
        host_pool(sandboxes->host, &shape, at_most_max(wanted_of(sandboxes, &plans, &shape)),
                  &ignored);
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
