/* How much sandboxes that are kept ready may take. */
#include "engine/warm_budget.h"

#include "check.h"

#include <string.h>

enum { MEBIBYTE = 1024 * 1024 };

static const struct settings four = {.warm_memory_mb = 4};
static struct error err;

static void the_setting_is_a_limit_of_all_together(void)
{
    CHECK_INT(warm_budget_check(&four, 0, 2 * MEBIBYTE, &err), 0);
    CHECK_INT(warm_budget_check(&four, 2 * MEBIBYTE, 2 * MEBIBYTE, &err), 0);
    CHECK_INT(warm_budget_check(&four, 2 * MEBIBYTE + 1, 2 * MEBIBYTE, &err), -1);
    CHECK_INT(err.code, ERR_CAPACITY);
    CHECK(strstr(err.message, "warm_memory_mb") != NULL);
}

static void nothing_is_kept_ready_without_memory_for_it(void)
{
    static const struct settings none;
    CHECK_INT(warm_budget_check(&none, 0, 1, &err), -1);
}

static void most_of_the_free_memory_stays_free(void)
{
    static const struct settings endless = {.warm_memory_mb = INT64_C(1) << 40};
    CHECK_INT(warm_budget_check(&endless, 0, MEBIBYTE, &err), 0);
    CHECK_INT(warm_budget_check(&endless, 0, INT64_C(1) << 50, &err), -1);
    CHECK_INT(err.code, ERR_CAPACITY);
    CHECK(strstr(err.message, "free memory") != NULL);
}

static void refills_wait_for_creates_but_not_for_ever(void)
{
    struct warm_pace pace = {0};
    CHECK_INT(warm_pace_left_ms(&pace, 1000), 0);
    warm_pace_hold(&pace, 1000, 20, 50);
    CHECK_INT(warm_pace_left_ms(&pace, 1000), 20);
    CHECK_INT(warm_pace_left_ms(&pace, 1020), 0);
    warm_pace_hold(&pace, 1040, 20, 50); /* one create after the other */
    CHECK_INT(warm_pace_left_ms(&pace, 1040), 10);
    CHECK_INT(warm_pace_left_ms(&pace, 1050), 0);
    warm_pace_release(&pace);
    warm_pace_hold(&pace, 1060, 20, 50);
    CHECK_INT(warm_pace_left_ms(&pace, 1060), 20);
}

static const struct check_case cases[] = {
    {"the_setting_is_a_limit_of_all_together", the_setting_is_a_limit_of_all_together},
    {"nothing_is_kept_ready_without_memory_for_it", nothing_is_kept_ready_without_memory_for_it},
    {"most_of_the_free_memory_stays_free", most_of_the_free_memory_stays_free},
    {"refills_wait_for_creates_but_not_for_ever", refills_wait_for_creates_but_not_for_ever},
};

CHECK_MAIN(cases)
