/* Token buckets: how many pass, when the next one does, and that memory stays bounded. */
#include "check.h"

#include "http/ratelimit.h"

#include <stdio.h>

static void a_minutes_worth_passes_at_once(void)
{
    struct ratelimit *limit = ratelimit_new(60);
    for (int i = 0; i < 60; i++) {
        CHECK_INT(ratelimit_take(limit, "wsp_a", 1000), 0);
    }
    CHECK_INT(ratelimit_take(limit, "wsp_a", 1000), 1000);
    CHECK_INT(ratelimit_take(limit, "wsp_a", 1400), 600);
    CHECK_INT(ratelimit_take(limit, "wsp_a", 2000), 0);
    CHECK_INT(ratelimit_take(limit, "wsp_a", 2000), 1000);
    ratelimit_free(limit);
}

static void keys_do_not_share(void)
{
    struct ratelimit *limit = ratelimit_new(1);
    CHECK_INT(ratelimit_take(limit, "wsp_a", 0), 0);
    CHECK_INT(ratelimit_take(limit, "wsp_b", 0), 0);
    CHECK_INT(ratelimit_take(limit, "wsp_a", 0), 60000);
    ratelimit_free(limit);
}

static void a_long_pause_fills_it_and_no_more(void)
{
    struct ratelimit *limit = ratelimit_new(2);
    for (int64_t now_ms = 0; now_ms < 2; now_ms++) {
        CHECK_INT(ratelimit_take(limit, "wsp_a", now_ms), 0);
    }
    int64_t later_ms = INT64_C(1) << 50;
    CHECK_INT(ratelimit_take(limit, "wsp_a", later_ms), 0);
    CHECK_INT(ratelimit_take(limit, "wsp_a", later_ms), 0);
    CHECK(ratelimit_take(limit, "wsp_a", later_ms) > 0);
    ratelimit_free(limit);
}

static void zero_is_no_limit(void)
{
    struct ratelimit *limit = ratelimit_new(0);
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(ratelimit_take(limit, "wsp_a", 0), 0);
    }
    ratelimit_free(limit);
}

static void strangers_do_not_free_a_used_up_key(void)
{
    struct ratelimit *limit = ratelimit_new(1);
    CHECK_INT(ratelimit_take(limit, "wsp_a", 0), 0);
    for (int i = 0; i < 100000; i++) {
        char key[32];
        snprintf(key, sizeof(key), "wsp_%d", i);
        ratelimit_take(limit, key, i / 2);
    }
    /* Buckets of its set are all used up, too: the fullest of them is the oldest at best. */
    CHECK(ratelimit_take(limit, "wsp_99999", 50000) > 0);
    ratelimit_free(limit);
}

static const struct check_case cases[] = {
    {"a minute's worth passes at once", a_minutes_worth_passes_at_once},
    {"keys do not share", keys_do_not_share},
    {"a long pause fills it and no more", a_long_pause_fills_it_and_no_more},
    {"zero is no limit", zero_is_no_limit},
    {"strangers do not free a used-up key", strangers_do_not_free_a_used_up_key},
};

CHECK_MAIN(cases)
