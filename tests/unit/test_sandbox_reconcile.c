/* What becomes of sandboxes when atolld or atoll-host is lost in the middle of something. */
#include "check.h"
#include "sandbox_fixture.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct fixture f;

/* The id of the newest sandbox of any state. */
static bool newest(char id[ID_SIZE])
{
    json_t *list = NULL;
    struct sandbox_filter filter = {.include_destroyed = true};
    if (sandbox_list(f.sandboxes, &f.tenant, &filter, &list, &f.err) < 0) {
        return false;
    }
    snprintf(id, ID_SIZE, "%s",
             member_text(json_array_get(json_object_get(list, "data"), 0), "id"));
    json_decref(list);
    return id[0] != '\0';
}

static bool await_hosted(const char *id, enum host_state state)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (fake_host_state(id) != state) {
        if (clock_monotonic_ms() > until_ms) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* polls a bounded time */
    }
    return true;
}

static void running_ones_are_adopted(void)
{
    char id[ID_SIZE];
    struct sandbox_use use;
    REQUIRE(fixture_create_id(&f, "{\"name\":\"n\"}", id));
    REQUIRE(fixture_restart(&f));
    CHECK_TEXT(fixture_state(&f, id), "running");
    REQUIRE(CALL(sandbox_use_begin, id, 0, &use) == 0);
    sandbox_use_end(f.sandboxes, &use);
    CHECK_INT(fake_host_calls(FAKE_CREATE), 1);
}

static void paused_ones_stay_paused(void)
{
    char frozen[ID_SIZE], stopped[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", frozen) && fixture_create_id(&f, "{}", stopped));
    CHECK_INT(CALL(sandbox_pause, frozen, NULL), 0);
    CHECK_INT(CALL(sandbox_stop, stopped, NULL), 0);
    REQUIRE(fixture_restart(&f));
    CHECK_TEXT(fixture_state(&f, frozen), "paused");
    CHECK_TEXT(fixture_state(&f, stopped), "paused");
    CHECK_INT(CALL(sandbox_resume, frozen, NULL), 0);
    CHECK_INT(CALL(sandbox_resume, stopped, NULL), 0);
    CHECK_INT(fake_host_calls(FAKE_THAW), 1);
}

static void files_survive_the_hosts_reboot(void)
{
    char running[ID_SIZE], frozen[ID_SIZE], volatile_one[ID_SIZE], text[200];
    REQUIRE(fixture_create_id(&f, "{}", running) && fixture_create_id(&f, "{}", frozen));
    REQUIRE(fixture_create_id(&f, "{\"persistent\":false}", volatile_one));
    CHECK_INT(CALL(sandbox_pause, frozen, NULL), 0);
    fixture_stop(&f);
    fake_host_end(running, "", false);
    fake_host_end(frozen, "", false);
    fake_host_end(volatile_one, "", false);
    REQUIRE(fixture_start(&f));
    CHECK_TEXT(fixture_state(&f, running), "paused");
    fixture_metadata(&f, running, text, sizeof(text));
    CHECK_TEXT(text, "host_restart");
    CHECK_TEXT(fixture_state(&f, frozen), "paused");
    CHECK_TEXT(fixture_state(&f, volatile_one), "error");
    CHECK_INT(CALL(sandbox_resume, running, NULL), 0);
    CHECK_INT(CALL(sandbox_resume, frozen, NULL), 0);
    CHECK_INT(CALL(sandbox_destroy, volatile_one, NULL), 0);
    CHECK_INT(fake_host_count(), 2);
}

static void one_of_which_the_host_knows_nothing_is_in_error(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    fixture_stop(&f);
    fake_host_forget(id);
    REQUIRE(fixture_start(&f));
    CHECK_TEXT(fixture_state(&f, id), "error");
    CHECK_INT(CALL(sandbox_destroy, id, NULL), 0);
}

static void what_nobody_knows_is_destroyed(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_destroy, id, NULL), 0);
    fixture_stop(&f);
    fake_host_add(id, HOST_STATE_RUNNING);
    fake_host_add("sbx_01j00000000000000000000000", HOST_STATE_STOPPED);
    REQUIRE(fixture_start(&f));
    CHECK_INT(fake_host_count(), 0);
}

/* The call takes effect, its answer is lost, atolld starts again. */
static void lose_answer_and_restart(enum fake_call call, const char *id,
                                    int (*verb)(struct sandboxes *, const struct principal *,
                                                const char *, json_t **, struct error *),
                                    bool took_effect)
{
    fixture_stop(&f); /* so that no reconcile comes between */
    fake_host_reachable(true);
    REQUIRE(fixture_start(&f));
    fake_host_fail_next(call, ERR_HOST_UNAVAILABLE, took_effect);
    CHECK_INT(verb(f.sandboxes, &f.tenant, id, NULL, &f.err), -1);
    CHECK_INT(f.err.code, ERR_HOST_UNAVAILABLE);
    REQUIRE(fixture_restart(&f));
}

static void a_half_done_pause_is_settled_by_what_the_host_says(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    lose_answer_and_restart(FAKE_FREEZE, id, sandbox_pause, true);
    CHECK(fixture_await(&f, id, "paused"));
    CHECK_INT(CALL(sandbox_resume, id, NULL), 0);
    lose_answer_and_restart(FAKE_FREEZE, id, sandbox_pause, false);
    CHECK(fixture_await(&f, id, "running"));
}

static void a_half_done_resume_is_settled_by_what_the_host_says(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    lose_answer_and_restart(FAKE_THAW, id, sandbox_resume, false);
    CHECK(fixture_await(&f, id, "paused"));
    lose_answer_and_restart(FAKE_THAW, id, sandbox_resume, true);
    CHECK(fixture_await(&f, id, "running"));
    CHECK_INT(CALL(sandbox_stop, id, NULL), 0);
    lose_answer_and_restart(FAKE_CREATE, id, sandbox_resume, true);
    CHECK(fixture_await(&f, id, "running"));
}

static void a_half_done_stop_or_destroy_is_settled(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    lose_answer_and_restart(FAKE_DESTROY, id, sandbox_stop, true);
    CHECK(fixture_await(&f, id, "paused"));
    CHECK_INT(CALL(sandbox_resume, id, NULL), 0);
    lose_answer_and_restart(FAKE_DESTROY, id, sandbox_destroy, false);
    CHECK(fixture_await(&f, id, "destroyed"));
    CHECK_INT(fake_host_count(), 0);
}

static void a_half_made_sandbox_is_undone_and_its_name_free(void)
{
    char id[ID_SIZE];
    f.settings.max_sandboxes = 1;
    fake_host_fail_next(FAKE_CREATE, ERR_HOST_UNAVAILABLE, true);
    CHECK(!fixture_create_id(&f, "{\"name\":\"n\"}", id));
    CHECK_INT(f.err.code, ERR_HOST_UNAVAILABLE);
    REQUIRE(newest(id));
    CHECK(fixture_await(&f, id, "error"));
    CHECK_INT(fake_host_count(), 0);
    CHECK(fixture_create_id(&f, "{\"name\":\"n\"}", id));
}

static void the_host_may_come_back_later(void)
{
    char running[ID_SIZE], late[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", running) && fixture_create_id(&f, "{}", late));
    fake_host_reachable(false);
    CHECK_INT(CALL(sandbox_destroy, late, NULL), -1);
    CHECK_INT(f.err.code, ERR_HOST_UNAVAILABLE);
    CHECK_TEXT(fixture_state(&f, late), "destroying");
    CHECK_TEXT(fixture_state(&f, running), "running");
    REQUIRE(fixture_restart(&f));
    CHECK_TEXT(fixture_state(&f, running), "running");
    fake_host_end(running, "", false);
    fake_host_reachable(true);
    CHECK(fixture_await(&f, late, "destroyed"));
    CHECK(fixture_await(&f, running, "paused"));
}

static void a_frozen_one_that_should_run_is_thawed(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    fixture_stop(&f);
    fake_host_add(id, HOST_STATE_FROZEN);
    REQUIRE(fixture_start(&f));
    CHECK(await_hosted(id, HOST_STATE_RUNNING));
    CHECK_TEXT(fixture_state(&f, id), "running");
}

static void timers_go_on_after_a_restart(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{\"timeout_sec\":1}", id));
    REQUIRE(fixture_restart(&f));
    CHECK(fixture_await(&f, id, "paused"));
}

static enum idempotency_state begin(const char *key, char **ret_body)
{
    enum idempotency_state state = IDEMPOTENCY_NEW;
    int status = 0;
    *ret_body = NULL;
    CHECK_INT(store_idempotency_begin(f.store, f.tenant.tenant_id, "POST /sandboxes ", key, "hash",
                                      &state, &status, ret_body, &f.err),
              0);
    CHECK(state != IDEMPOTENCY_DONE || status == 201);
    return state;
}

static void a_create_that_was_not_answered_is_replayed(void)
{
    json_t *object = fixture_create(&f, "{}", "key-1");
    REQUIRE(object != NULL);
    REQUIRE(fixture_restart(&f)); /* before its reply was stored */
    char *body;
    REQUIRE(begin("key-1", &body) == IDEMPOTENCY_DONE);
    json_t *replayed = json_loads(body, 0, NULL);
    CHECK_TEXT(member_text(replayed, "id"), member_text(object, "id"));
    json_decref(replayed);
    json_decref(object);
    free(body);
}

static void a_claim_of_a_half_made_sandbox_is_released(void)
{
    char id[ID_SIZE], *body;
    fake_host_fail_next(FAKE_CREATE, ERR_HOST_UNAVAILABLE, true);
    CHECK(fixture_create(&f, "{\"name\":\"n\"}", "key-2") == NULL);
    REQUIRE(newest(id) && fixture_restart(&f));
    CHECK(fixture_await(&f, id, "destroyed") || fixture_await(&f, id, "error"));
    CHECK_INT(begin("key-2", &body), IDEMPOTENCY_NEW);
    CHECK_INT(fake_host_count(), 0);
}

static void a_claim_that_made_nothing_is_released(void)
{
    char *body;
    CHECK_INT(begin("key-3", &body), IDEMPOTENCY_NEW);
    CHECK_INT(begin("key-3", &body), IDEMPOTENCY_RUNNING);
    REQUIRE(fixture_restart(&f));
    CHECK_INT(begin("key-3", &body), IDEMPOTENCY_NEW);
}

#define CASES(X)                                                                                   \
    X(running_ones_are_adopted)                                                                    \
    X(paused_ones_stay_paused)                                                                     \
    X(files_survive_the_hosts_reboot)                                                              \
    X(one_of_which_the_host_knows_nothing_is_in_error)                                             \
    X(what_nobody_knows_is_destroyed)                                                              \
    X(a_half_done_pause_is_settled_by_what_the_host_says)                                          \
    X(a_half_done_resume_is_settled_by_what_the_host_says)                                         \
    X(a_half_done_stop_or_destroy_is_settled)                                                      \
    X(a_half_made_sandbox_is_undone_and_its_name_free)                                             \
    X(the_host_may_come_back_later)                                                                \
    X(a_frozen_one_that_should_run_is_thawed)                                                      \
    X(timers_go_on_after_a_restart)                                                                \
    X(a_create_that_was_not_answered_is_replayed)                                                  \
    X(a_claim_of_a_half_made_sandbox_is_released)                                                  \
    X(a_claim_that_made_nothing_is_released)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};

CHECK_MAIN(cases)
