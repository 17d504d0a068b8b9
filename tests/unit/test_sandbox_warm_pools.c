/* What is kept ready: kept in the store, told to atoll-host whenever it comes, shown with what it says. */
#include "base/clock.h"
#include "check.h"
#include "sandbox/warm_pools.h"
#include "sandbox_fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { AWAIT_MS = 20 * 1000, DEFAULT_MB = 1024 };

static struct fixture f;

static const struct template_definition *definition(const char *id)
{
    return catalogue_find(f.catalogue, id);
}

/* 0, or the error's code. */
static int set(const char *template_id, const char *request)
{
    json_t *body = json_loads(request, 0, NULL), *pools = NULL;
    int result = warm_pools_set(f.sandboxes, definition(template_id), body, &pools, &f.err);
    json_decref(body);
    json_decref(pools);
    return result < 0 ? (int)f.err.code : 0;
}

/* The member of the template's only pool with that much memory; -1: there is none. */
static json_int_t shown(const char *template_id, json_int_t memory_mb, const char *member)
{
    json_t *pools = NULL, *pool;
    json_int_t value = -1;
    size_t i;
    CHECK_INT(warm_pools_get(f.sandboxes, definition(template_id), &pools, &f.err), 0);
    json_array_foreach(json_object_get(pools, "pools"), i, pool)
    {
        if (json_integer_value(json_object_get(pool, "memory_mb")) == memory_mb) {
            value = json_integer_value(json_object_get(pool, member));
        }
    }
    json_decref(pools);
    return value;
}

static bool await_of(const char *engine, int64_t memory_mb, int64_t wanted)
{
    int64_t until_ms = clock_monotonic_ms() + AWAIT_MS;
    while (fake_host_wanted(engine, memory_mb) != wanted && clock_monotonic_ms() < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return fake_host_wanted(engine, memory_mb) == wanted;
}

static bool await_wanted(int64_t memory_mb, int64_t wanted)
{
    return await_of("container", memory_mb, wanted);
}

static void the_settings_pool_is_told_at_start(void)
{
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 2);
    CHECK_INT(shown("miosa-sandbox", DEFAULT_MB, "target"), 2);
    CHECK_INT(shown("miosa-sandbox", DEFAULT_MB, "ready"), 2);
    CHECK_INT(shown("nextjs", 2048, "target"), -1);
}

static void a_pool_is_of_the_shape_that_a_create_would_get(void)
{
    CHECK_INT(set("nextjs", "{\"target\":3}"), 0);
    CHECK_INT(fake_host_wanted("container", 2048), 3);
    CHECK_INT(shown("nextjs", 2048, "cpu_count"), 2);
    CHECK_INT(set("nextjs", "{\"target\":1,\"size\":\"small\"}"), 0);
    CHECK_INT(fake_host_wanted("container", 4096), 1);
    CHECK_INT(set("nextjs", "{\"target\":0}"), 0);
    CHECK_INT(fake_host_wanted("container", 2048), 0);
    CHECK_INT(shown("nextjs", 2048, "target"), -1);
    CHECK_INT(shown("nextjs", 4096, "target"), 1);
}

static void the_settings_pool_can_be_overruled(void)
{
    CHECK_INT(set("base", "{\"target\":0}"), 0);
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 0);
    CHECK(fixture_restart(&f));
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 0);
    CHECK_INT(shown("miosa-sandbox", DEFAULT_MB, "target"), 0);
    CHECK_INT(set("miosa-sandbox", "{\"target\":5}"), 0);
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 5);
}

static void templates_of_one_image_add_up(void)
{
    CHECK_INT(set("in-a-container", "{\"target\":4}"), 0);
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 6);
    CHECK_INT(set("in-a-container", "{\"target\":64}"), 0);
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 64);
    CHECK_INT(set("in-a-container", "{\"target\":0}"), 0);
    CHECK_INT(fake_host_wanted("container", DEFAULT_MB), 2);
}

static void atoll_host_is_told_again_when_it_comes_back(void)
{
    CHECK_INT(set("nextjs", "{\"target\":3}"), 0);
    fake_host_reachable(false);
    fake_host_reachable(true);
    CHECK(await_wanted(2048, 3));
    CHECK(await_wanted(DEFAULT_MB, 2));
}

static void what_cannot_be_is_refused(void)
{
    CHECK_INT(set("nextjs", "{}"), ERR_MISSING_PARAM);
    CHECK_INT(set("nextjs", "{\"target\":65}"), ERR_VALIDATION);
    CHECK_INT(set("nextjs", "{\"target\":1,\"name\":\"x\"}"), ERR_VALIDATION);
    CHECK_TEXT(f.err.field, "name");
    CHECK_INT(set("nextjs", "{\"target\":1,\"engine\":\"vm\"}"), ERR_ENGINE_UNAVAILABLE);
    CHECK_INT(set("unbuilt", "{\"target\":1}"), ERR_TEMPLATE_NOT_READY);
    fake_host_fail_next(FAKE_POOL, ERR_CAPACITY, false);
    CHECK_INT(set("nextjs", "{\"target\":1}"), ERR_CAPACITY);
    CHECK_INT(fake_host_wanted("container", 2048), -1);
    CHECK_INT(shown("nextjs", 2048, "target"), -1);
}

static void other_settings_take_effect_when_atolld_starts_again(void)
{
    fake_host_vm("tcg", "");
    snprintf(f.settings.engine, sizeof(f.settings.engine), "vm");
    REQUIRE(fixture_restart(&f));
    CHECK(await_of("vm", DEFAULT_MB, 2));
    CHECK(await_wanted(DEFAULT_MB, 0));
    f.settings.warm_sandboxes = 0;
    REQUIRE(fixture_restart(&f));
    CHECK(await_of("vm", DEFAULT_MB, 0));
}

#define CASES(X)                                                                                   \
    X(the_settings_pool_is_told_at_start)                                                          \
    X(a_pool_is_of_the_shape_that_a_create_would_get)                                              \
    X(the_settings_pool_can_be_overruled)                                                          \
    X(other_settings_take_effect_when_atolld_starts_again)                                         \
    X(templates_of_one_image_add_up)                                                               \
    X(atoll_host_is_told_again_when_it_comes_back)                                                 \
    X(what_cannot_be_is_refused)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};

CHECK_MAIN(cases)
