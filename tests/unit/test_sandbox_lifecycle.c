/* What callers of the sandbox layer see: create, pause, resume, stop, destroy, limits, names, lists. */
#include "check.h"
#include "sandbox_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture f;

static void a_created_sandbox_runs_with_the_defaults(void)
{
    json_t *object = fixture_create(&f, "{}", NULL);
    REQUIRE(object != NULL);
    CHECK(id_valid("sbx_", member_text(object, "id")));
    CHECK_TEXT(member_text(object, "state"), "running");
    CHECK(json_is_true(json_object_get(object, "ready")));
    CHECK_TEXT(member_text(object, "template_id"), "miosa-sandbox");
    CHECK_TEXT(member_text(object, "boot_path"), "warm");
    CHECK_TEXT(member_text(object, "workspace_slug"), "default");
    CHECK_TEXT(member_text(object, "engine"), "container");
    CHECK_INT(json_integer_value(json_object_get(object, "memory_mb")), 1024);
    CHECK_INT(json_integer_value(json_object_get(object, "disk_size_mb")), 3072);
    CHECK(json_integer_value(json_object_get(object, "timeout_remaining_ms")) > 290000);
    CHECK(json_is_null(json_object_get(object, "total_runtime_sec")));
    CHECK(strstr(member_text(object, "preview_url"), ".sandbox.localhost:8081") != NULL);
    CHECK_INT((int)fake_host_state(member_text(object, "id")), HOST_STATE_RUNNING);
    json_decref(object);
}

static void pause_and_resume_keep_the_processes(void)
{
    char id[ID_SIZE], source[64];
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT((int)fake_host_state(id), HOST_STATE_FROZEN);
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    fixture_metadata(&f, id, source, sizeof(source));
    CHECK_TEXT(source, "api");
    CHECK_INT(CALL(sandbox_resume, id, NULL), 0);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(fake_host_calls(FAKE_CREATE), 1);
    CHECK_INT(CALL(sandbox_resume, id, NULL), -1);
    CHECK_INT(f.err.code, ERR_NOT_PAUSED);
}

static void stop_keeps_files_and_resume_starts_anew(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_stop, id, NULL), 0);
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT((int)fake_host_state(id), HOST_STATE_STOPPED);
    json_t *object = NULL;
    CHECK_INT(CALL(sandbox_resume, id, &object), 0);
    CHECK_TEXT(member_text(object, "boot_path"), "cold");
    json_decref(object);
    CHECK_INT((int)fake_host_state(id), HOST_STATE_RUNNING);
}

static void stop_destroys_what_is_not_persistent(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{\"persistent\":false}", id));
    CHECK_INT(CALL(sandbox_stop, id, NULL), 0);
    CHECK_TEXT(fixture_state(&f, id), "destroyed");
    CHECK_INT(fake_host_count(), 0);
}

static void a_destroyed_one_can_be_read_and_not_changed(void)
{
    char id[ID_SIZE];
    json_t *reply = NULL;
    REQUIRE(fixture_create_id(&f, "{\"name\":\"gone\"}", id));
    CHECK_INT(CALL(sandbox_destroy, id, &reply), 0);
    CHECK_TEXT(member_text(reply, "state"), "destroyed");
    CHECK(json_is_integer(json_object_get(reply, "total_runtime_sec")));
    json_decref(reply);
    CHECK_TEXT(fixture_state(&f, id), "destroyed");
    CHECK_INT(CALL(sandbox_destroy, id, NULL), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
    CHECK_INT(CALL(sandbox_pause, id, NULL), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
    REQUIRE(fixture_create_id(&f, "{\"name\":\"gone\"}", id));
}

static void another_tenant_sees_nothing(void)
{
    char id[ID_SIZE];
    json_t *object = NULL;
    struct sandbox_use use;
    REQUIRE(fixture_create_id(&f, "{\"name\":\"mine\"}", id));
    struct principal *other = &f.other_tenant;
    CHECK_INT(sandbox_get(f.sandboxes, other, id, &object, &f.err), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
    CHECK_INT(sandbox_destroy(f.sandboxes, other, id, NULL, &f.err), -1);
    CHECK_INT(sandbox_by_name(f.sandboxes, other, "mine", &object, &f.err), -1);
    CHECK_INT(sandbox_use_begin(f.sandboxes, other, id, 0, &use, &f.err), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
    CHECK_INT(CALL(sandbox_destroy, id, NULL), 0);
    CHECK_INT(sandbox_get(f.sandboxes, other, id, &object, &f.err), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
}

static void names_and_slugs_are_taken_while_their_sandbox_lives(void)
{
    char id[ID_SIZE], other[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{\"name\":\"n\",\"slug\":\"my-app\"}", id));
    CHECK(!fixture_create_id(&f, "{\"name\":\"n\"}", other));
    CHECK_INT(f.err.code, ERR_NAME_TAKEN);
    CHECK_TEXT(f.err.field, "name");
    CHECK(!fixture_create_id(&f, "{\"slug\":\"my-app\"}", other));
    CHECK_TEXT(f.err.field, "slug");
    REQUIRE(fixture_create_id(&f, "{}", other));
    json_t *changes = json_pack("{s:s}", "name", "n");
    CHECK_INT(CALL(sandbox_update, other, changes, NULL), -1);
    CHECK_INT(f.err.code, ERR_NAME_TAKEN);
    json_decref(changes);
    json_t *object = NULL;
    CHECK_INT(CALL(sandbox_by_name, "n", &object), 0);
    CHECK_TEXT(member_text(object, "id"), id);
    json_decref(object);
}

static void the_limit_counts_what_is_alive(void)
{
    char first[ID_SIZE], id[ID_SIZE];
    f.settings.max_sandboxes = 2;
    REQUIRE(fixture_create_id(&f, "{}", first) && fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    CHECK(!fixture_create_id(&f, "{}", id));
    CHECK_INT(f.err.code, ERR_SANDBOX_LIMIT);
    CHECK_INT(CALL(sandbox_destroy, first, NULL), 0);
    CHECK(fixture_create_id(&f, "{}", id));
    fixture_restart(&f);
    CHECK(!fixture_create_id(&f, "{}", id));
    CHECK_INT(f.err.code, ERR_SANDBOX_LIMIT);
}

static void a_failed_create_leaves_a_record_and_takes_no_place(void)
{
    char id[ID_SIZE];
    f.settings.max_sandboxes = 1;
    fake_host_fail_next(FAKE_CREATE, ERR_CAPACITY, false);
    CHECK(!fixture_create_id(&f, "{\"name\":\"again\"}", id));
    CHECK_INT(f.err.code, ERR_CAPACITY);
    fake_host_fail_next(FAKE_HELLO, ERR_AGENT_UNAVAILABLE, false);
    CHECK(!fixture_create_id(&f, "{\"name\":\"again\"}", id));
    CHECK_INT(f.err.code, ERR_AGENT_UNAVAILABLE);
    CHECK_INT(fake_host_count(), 0);
    CHECK(fixture_create_id(&f, "{\"name\":\"again\"}", id));
    struct sandbox_filter filter = {.state = "error"};
    json_t *list = NULL;
    REQUIRE(sandbox_list(f.sandboxes, &f.tenant, &filter, &list, &f.err) == 0);
    CHECK_INT(json_array_size(json_object_get(list, "data")), 2);
    json_t *metadata =
        json_object_get(json_array_get(json_object_get(list, "data"), 0), "metadata");
    CHECK(member_text(metadata, "last_error")[0] != '\0');
    json_decref(list);
}

static void failed_verbs_leave_the_sandbox_as_it_was(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    fake_host_fail_next(FAKE_FREEZE, ERR_ENGINE, false);
    CHECK_INT(CALL(sandbox_pause, id, NULL), -1);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    fake_host_fail_next(FAKE_THAW, ERR_ENGINE, false);
    CHECK_INT(CALL(sandbox_resume, id, NULL), -1);
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT(CALL(sandbox_resume, id, NULL), 0);
}

static void uses_need_a_running_sandbox_and_say_why_not(void)
{
    char id[ID_SIZE];
    struct sandbox_use use;
    REQUIRE(fixture_create_id(&f, "{\"env\":{\"B\":\"own\",\"C\":\"own\"}}", id));
    REQUIRE(CALL(sandbox_use_begin, id, 0, &use) == 0);
    CHECK_TEXT(member_text(use.env, "A"), "template");
    CHECK_TEXT(member_text(use.env, "B"), "own");
    CHECK_TEXT(use.workdir, "/workspace");
    CHECK(use.agent_socket[0] == '/');
    CHECK_INT(CALL(sandbox_destroy, id, NULL), 0);
    error_set(&f.err, ERR_AGENT_UNAVAILABLE, 0, "connection reset");
    sandbox_explain(f.sandboxes, &use, &f.err);
    CHECK(strstr(f.err.message, "destroyed") != NULL);
    sandbox_use_end(f.sandboxes, &use);
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    CHECK_INT(CALL(sandbox_use_begin, id, 0, &use), -1);
    CHECK_INT(f.err.code, ERR_NOT_RUNNING);
}

static void one_that_ends_by_itself_is_in_error_and_keeps_its_files(void)
{
    char id[ID_SIZE], text[300];
    REQUIRE(fixture_create_id(&f, "{}", id));
    fake_host_end(id, "the kernel killed it for memory", true);
    CHECK(fixture_await(&f, id, "error"));
    fixture_metadata(&f, id, text, sizeof(text));
    CHECK_TEXT(text, "the kernel killed it for memory");
    CHECK_INT((int)fake_host_state(id), HOST_STATE_STOPPED);
    CHECK_INT(CALL(sandbox_destroy, id, NULL), 0);
    CHECK_INT(fake_host_count(), 0);
}

static void a_paused_one_whose_processes_end_starts_cold(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    fake_host_end(id, "killed", false);
    json_t *object = NULL;
    CHECK_INT(CALL(sandbox_resume, id, &object), 0);
    CHECK_TEXT(member_text(object, "boot_path"), "cold");
    json_decref(object);
}

static void timeouts_pause_or_destroy(void)
{
    char kept[ID_SIZE], gone[ID_SIZE], idle[ID_SIZE], always[ID_SIZE], text[64];
    REQUIRE(fixture_create_id(&f, "{\"timeout_sec\":1}", kept));
    REQUIRE(fixture_create_id(&f, "{\"timeout_sec\":1,\"persistent\":false}", gone));
    REQUIRE(fixture_create_id(&f, "{\"idle_timeout_sec\":1}", idle));
    REQUIRE(fixture_create_id(&f, "{\"timeout_sec\":1,\"always_on\":true}", always));
    CHECK(fixture_await(&f, kept, "paused"));
    CHECK(fixture_await(&f, gone, "destroyed"));
    CHECK(fixture_await(&f, idle, "paused"));
    CHECK_TEXT(fixture_state(&f, always), "running");
    fixture_metadata(&f, kept, text, sizeof(text));
    CHECK_TEXT(text, "timeout");
    fixture_metadata(&f, idle, text, sizeof(text));
    CHECK_TEXT(text, "idle_timeout");
}

static void a_slow_pause_delays_no_other_timeout(void)
{
    char slow[ID_SIZE], other[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{\"timeout_sec\":1}", slow));
    fake_host_hold_freeze(slow);
    CHECK(fixture_await(&f, slow, "pausing"));
    if (CHECK(fixture_create_id(&f, "{\"timeout_sec\":1}", other))) {
        CHECK(fixture_await(&f, other, "paused"));
    }
    CHECK_TEXT(fixture_state(&f, slow), "pausing");
    fake_host_hold_freeze(NULL);
    CHECK(fixture_await(&f, slow, "paused"));
}

static void the_idle_clock_waits_for_the_last_use(void)
{
    char used[ID_SIZE], unused[ID_SIZE];
    struct sandbox_use use;
    REQUIRE(fixture_create_id(&f, "{\"idle_timeout_sec\":1}", used));
    REQUIRE(CALL(sandbox_use_begin, used, 0, &use) == 0);
    REQUIRE(fixture_create_id(&f, "{\"idle_timeout_sec\":1}", unused));
    CHECK(fixture_await(&f, unused, "paused"));
    CHECK_TEXT(fixture_state(&f, used), "running");
    sandbox_use_end(f.sandboxes, &use);
    CHECK(fixture_await(&f, used, "paused"));
}

static void changes_are_all_or_nothing(void)
{
    char id[ID_SIZE];
    json_t *object = NULL;
    REQUIRE(fixture_create_id(&f, "{\"metadata\":{\"a\":1},\"tags\":[\"x\"]}", id));
    json_t *bad = json_loads("{\"metadata\":{\"b\":2},\"timeout_sec\":0}", 0, NULL);
    CHECK_INT(CALL(sandbox_update, id, bad, NULL), -1);
    CHECK_TEXT(f.err.field, "timeout_sec");
    json_decref(bad);
    json_t *good = json_loads("{\"metadata\":{\"b\":2},\"tags\":{\"k\":\"v\"},\"always_on\":true,"
                              "\"agent_session_id\":\"s1\"}",
                              0, NULL);
    REQUIRE(CALL(sandbox_update, id, good, &object) == 0);
    CHECK_INT(json_integer_value(json_object_get(json_object_get(object, "metadata"), "b")), 2);
    CHECK(json_object_get(json_object_get(object, "metadata"), "a") == NULL);
    CHECK_TEXT(member_text(json_object_get(object, "tags"), "k"), "v");
    CHECK(json_is_null(json_object_get(object, "timeout_remaining_ms")));
    json_decref(good);
    json_decref(object);
    fixture_restart(&f);
    REQUIRE(CALL(sandbox_get, id, &object) == 0);
    CHECK_TEXT(member_text(object, "agent_session_id"), "s1");
    CHECK_TEXT(member_text(json_object_get(object, "tags"), "k"), "v");
    json_decref(object);
}

static size_t listed(struct sandbox_filter filter)
{
    json_t *list = NULL;
    if (sandbox_list(f.sandboxes, &f.tenant, &filter, &list, &f.err) < 0) {
        return 999;
    }
    size_t count = json_array_size(json_object_get(list, "data"));
    json_decref(list);
    return count;
}

static void lists_filter_and_page(void)
{
    char id[ID_SIZE], dead[ID_SIZE];
    REQUIRE(fixture_create_id(
        &f, "{\"name\":\"alpha\",\"tags\":{\"team\":\"red\"},\"external_user_id\":\"u\"}", id));
    REQUIRE(fixture_create_id(
        &f, "{\"name\":\"beta\",\"tags\":[\"x\",\"y\"],\"template_id\":\"nextjs\"}", id));
    REQUIRE(fixture_create_id(&f, "{\"workspace_slug\":\"lab\"}", id) &&
            fixture_create_id(&f, "{}", dead));
    CHECK_INT(CALL(sandbox_destroy, dead, NULL), 0);
    json_t *team = json_pack("{s:s}", "team", "red"), *plain = json_pack("[s,s]", "x", "y");
    CHECK_INT(listed((struct sandbox_filter){0}), 3);
    CHECK_INT(listed((struct sandbox_filter){.include_destroyed = true}), 4);
    CHECK_INT(listed((struct sandbox_filter){.state = "destroyed"}), 1);
    CHECK_INT(listed((struct sandbox_filter){.search = "lph"}), 1);
    CHECK_INT(listed((struct sandbox_filter){.tags = team}), 1);
    CHECK_INT(listed((struct sandbox_filter){.tags = plain}), 1);
    CHECK_INT(listed((struct sandbox_filter){.external_user_id = "u"}), 1);
    CHECK_INT(listed((struct sandbox_filter){.template_id = "nextjs"}), 1);
    CHECK_INT(listed((struct sandbox_filter){.page = 2, .limit = 2}), 1);
    CHECK_INT(listed((struct sandbox_filter){.page = INT64_MAX, .limit = 2}), 0);
    CHECK_INT(sandbox_list(f.sandboxes, &f.tenant, &(struct sandbox_filter){.state = "odd"}, NULL,
                           &f.err),
              -1);
    json_decref(team);
    json_decref(plain);
}

enum { RACERS = 8, ROUNDS = 40 };

/* Every verb at random on one sandbox; each either succeeds or is refused with a known code. */
static void *race(void *id)
{
    static int (*const verbs[])(struct sandboxes *, const struct principal *, const char *,
                                json_t **,
                                struct error *) = {sandbox_pause, sandbox_resume, sandbox_stop};
    unsigned seed = (unsigned)(size_t)pthread_self();
    for (int i = 0; i < ROUNDS; i++) {
        struct error err = {0};
        struct sandbox_use use;
        verbs[rand_r(&seed) % 3](f.sandboxes, &f.tenant, id, NULL, &err);
        if (sandbox_use_begin(f.sandboxes, &f.tenant, id, 5, &use, &err) == 0) {
            sandbox_use_end(f.sandboxes, &use);
        }
    }
    return NULL;
}

static void verbs_from_many_threads_take_turns(void)
{
    char id[ID_SIZE];
    pthread_t threads[RACERS];
    REQUIRE(fixture_create_id(&f, "{}", id));
    for (int i = 0; i < RACERS; i++) {
        pthread_create(&threads[i], NULL, race, id);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *state = fixture_state(&f, id);
    CHECK(strcmp(state, "running") == 0 || strcmp(state, "paused") == 0);
    CHECK_INT(CALL(sandbox_destroy, id, NULL), 0);
    CHECK_INT(fake_host_count(), 0);
}

#define CASES(X)                                                                                   \
    X(a_created_sandbox_runs_with_the_defaults)                                                    \
    X(pause_and_resume_keep_the_processes)                                                         \
    X(stop_keeps_files_and_resume_starts_anew)                                                     \
    X(stop_destroys_what_is_not_persistent)                                                        \
    X(a_destroyed_one_can_be_read_and_not_changed)                                                 \
    X(another_tenant_sees_nothing)                                                                 \
    X(names_and_slugs_are_taken_while_their_sandbox_lives)                                         \
    X(the_limit_counts_what_is_alive)                                                              \
    X(a_failed_create_leaves_a_record_and_takes_no_place)                                          \
    X(failed_verbs_leave_the_sandbox_as_it_was)                                                    \
    X(uses_need_a_running_sandbox_and_say_why_not)                                                 \
    X(one_that_ends_by_itself_is_in_error_and_keeps_its_files)                                     \
    X(a_paused_one_whose_processes_end_starts_cold)                                                \
    X(timeouts_pause_or_destroy)                                                                   \
    X(a_slow_pause_delays_no_other_timeout)                                                        \
    X(the_idle_clock_waits_for_the_last_use)                                                       \
    X(changes_are_all_or_nothing)                                                                  \
    X(lists_filter_and_page)                                                                       \
    X(verbs_from_many_threads_take_turns)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};

CHECK_MAIN(cases)
