/* Sandboxes as the gateway sees them: looked at without waiting, woken, kept awake; apps and services started. */
#include "base/clock.h"
#include "check.h"
#include "sandbox_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AWAIT_MS = 20 * 1000 };

static struct fixture f;

static void update(const char *id, const char *changes)
{
    json_t *parsed = json_loads(changes, 0, NULL);
    CHECK_INT(sandbox_update(f.sandboxes, &f.tenant, id, parsed, NULL, &f.err), 0);
    json_decref(parsed);
}

/* --- looking --- */

static void one_is_seen_by_id_and_by_slug(void)
{
    char id[ID_SIZE];
    struct sandbox_view view;
    REQUIRE(fixture_create_id(&f, "{\"slug\":\"first\",\"auto_resume\":true}", id));
    REQUIRE(sandbox_peek(f.sandboxes, id, NULL, &view));
    CHECK_TEXT(view.slug, "first");
    CHECK_TEXT(view.tenant_id, f.tenant.tenant_id);
    CHECK_INT(view.state, SANDBOX_RUNNING);
    CHECK(view.auto_resume);
    REQUIRE(sandbox_peek(f.sandboxes, NULL, "first", &view));
    CHECK_TEXT(view.id, id);
    CHECK(!sandbox_peek(f.sandboxes, NULL, "second", &view));
    CHECK(!sandbox_peek(f.sandboxes, "sbx_none", NULL, &view));
}

static void a_slug_leads_to_whoever_has_it_now(void)
{
    char id[ID_SIZE], other[ID_SIZE];
    struct sandbox_view view;
    REQUIRE(fixture_create_id(&f, "{\"slug\":\"first\"}", id));
    update(id, "{\"slug\":\"renamed\"}");
    CHECK(!sandbox_peek(f.sandboxes, NULL, "first", &view));
    CHECK(sandbox_peek(f.sandboxes, NULL, "renamed", &view));
    CHECK_INT(sandbox_destroy(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK(!sandbox_peek(f.sandboxes, NULL, "renamed", &view));
    CHECK(!sandbox_peek(f.sandboxes, id, NULL, &view));
    REQUIRE(fixture_create_id(&f, "{\"slug\":\"renamed\"}", other));
    CHECK(sandbox_peek(f.sandboxes, NULL, "renamed", &view));
    CHECK_TEXT(view.id, other);
    REQUIRE(fixture_restart(&f));
    CHECK(sandbox_peek(f.sandboxes, NULL, "renamed", &view));
    CHECK_TEXT(view.id, other);
}

static void a_run_ends_with_the_processes_and_not_with_a_pause(void)
{
    char id[ID_SIZE];
    struct sandbox_view before, after;
    REQUIRE(fixture_create_id(&f, "{}", id));
    sandbox_peek(f.sandboxes, id, NULL, &before);
    CHECK_INT(sandbox_pause(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    sandbox_peek(f.sandboxes, id, NULL, &after);
    CHECK_INT(after.state, SANDBOX_PAUSED);
    CHECK_INT(sandbox_resume(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    sandbox_peek(f.sandboxes, id, NULL, &after);
    CHECK(after.run == before.run);
    CHECK_INT(sandbox_stop(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK_INT(sandbox_resume(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    sandbox_peek(f.sandboxes, id, NULL, &after);
    CHECK(after.run != before.run);
}

static void the_port_is_the_apps_own(void)
{
    char id[ID_SIZE];
    struct sandbox_view view;
    REQUIRE(fixture_create_id(&f, "{}", id));
    sandbox_peek(f.sandboxes, id, NULL, &view);
    CHECK_INT(view.app_port, 0);
    json_t *app = json_pack("{s:i}", "port", 5173), *kept = NULL;
    CHECK_INT(sandbox_set_app(f.sandboxes, id, app, &f.err), 0);
    json_decref(app);
    REQUIRE(fixture_restart(&f));
    sandbox_peek(f.sandboxes, id, NULL, &view);
    CHECK_INT(view.app_port, 5173);
    CHECK_INT(sandbox_get_app(f.sandboxes, id, &kept, &f.err), 0);
    CHECK_INT(json_integer_value(json_object_get(kept, "port")), 5173);
    json_decref(kept);
}

/* --- waking --- */

static void only_those_that_may_are_woken(void)
{
    char id[ID_SIZE];
    struct sandbox_use use;
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(sandbox_wake(f.sandboxes, id, &f.err), 0);
    CHECK_INT(sandbox_pause(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK_INT(sandbox_wake(f.sandboxes, id, &f.err), -1);
    CHECK_INT(f.err.code, ERR_NOT_RUNNING);
    update(id, "{\"auto_resume\":true}");
    CHECK_INT(sandbox_wake(f.sandboxes, id, &f.err), 0);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(sandbox_pause(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    REQUIRE(sandbox_use_begin(f.sandboxes, &f.tenant, id, 0, &use, &f.err) == 0);
    sandbox_use_end(f.sandboxes, &use);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(sandbox_wake(f.sandboxes, "sbx_none", &f.err), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
}

static void a_wake_that_fails_says_why(void)
{
    char id[ID_SIZE];
    struct sandbox_use use;
    REQUIRE(fixture_create_id(&f, "{\"auto_resume\":true}", id));
    CHECK_INT(sandbox_pause(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    fake_host_fail_next(FAKE_THAW, ERR_ENGINE, false);
    CHECK_INT(sandbox_use_begin(f.sandboxes, &f.tenant, id, 0, &use, &f.err), -1);
    CHECK_INT(f.err.code, ERR_ENGINE);
    CHECK_TEXT(fixture_state(&f, id), "paused");
}

static char shared_id[ID_SIZE];

static void *use_it(void *unused)
{
    struct sandbox_use use;
    struct error err = {0};
    CHECK_INT(sandbox_use_begin(f.sandboxes, &f.tenant, shared_id, 0, &use, &err), 0);
    sandbox_use_end(f.sandboxes, &use);
    return unused;
}

static void of_many_at_once_one_wakes_it(void)
{
    pthread_t threads[8];
    REQUIRE(fixture_create_id(&f, "{\"auto_resume\":true}", shared_id));
    CHECK_INT(sandbox_pause(f.sandboxes, &f.tenant, shared_id, NULL, &f.err), 0);
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, use_it, NULL);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_INT(fake_host_calls(FAKE_THAW), 1);
}

static void a_touch_is_activity(void)
{
    char id[ID_SIZE];
    json_t *before = NULL, *after = NULL;
    REQUIRE(fixture_create_id(&f, "{}", id));
    sandbox_get(f.sandboxes, &f.tenant, id, &before, &f.err);
    int64_t now_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() < now_ms + 5) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* the clock has to show it */
    }
    sandbox_touch(f.sandboxes, id);
    sandbox_get(f.sandboxes, &f.tenant, id, &after, &f.err);
    CHECK(strcmp(member_text(before, "last_activity_at"), member_text(after, "last_activity_at")) <
          0);
    json_decref(before);
    json_decref(after);
}

static void what_is_kept_for_a_deployment_has_no_timeouts(void)
{
    char id[ID_SIZE];
    json_t *object = NULL;
    REQUIRE(fixture_create_id(&f, "{\"persistent\":false,\"idle_timeout_sec\":5}", id));
    CHECK_INT(sandbox_keep(f.sandboxes, &f.other_tenant, id, &f.err), -1);
    CHECK_INT(sandbox_keep(f.sandboxes, &f.tenant, id, &f.err), 0);
    sandbox_get(f.sandboxes, &f.tenant, id, &object, &f.err);
    CHECK(json_is_true(json_object_get(object, "persistent")));
    CHECK(json_is_true(json_object_get(object, "always_on")));
    CHECK_INT(json_integer_value(json_object_get(object, "idle_timeout_sec")), 0);
    json_decref(object);
}

/* --- starting apps and services --- */

static struct {
    atomic_int created, again;
} starts;

static void on_start(void *context, const char *tenant_id, const char *id, bool created)
{
    (void)context;
    CHECK_TEXT(tenant_id, f.tenant.tenant_id);
    CHECK(id_valid("sbx_", id));
    atomic_fetch_add(created ? &starts.created : &starts.again, 1);
}

static bool await(atomic_int *counter, int wanted)
{
    int64_t until_ms = clock_monotonic_ms() + AWAIT_MS;
    while (atomic_load(counter) < wanted && clock_monotonic_ms() < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* polls a bounded time */
    }
    return atomic_load(counter) == wanted;
}

static void listen_to_starts(void)
{
    atomic_store(&starts.created, 0);
    atomic_store(&starts.again, 0);
    sandboxes_on_start(f.sandboxes, on_start, NULL);
}

static void apps_are_started_when_processes_are(void)
{
    char id[ID_SIZE], plain[ID_SIZE];
    listen_to_starts();
    REQUIRE(fixture_create_id(&f, "{}", plain));
    REQUIRE(fixture_create_id(&f, "{\"auto_start\":true}", id));
    CHECK(await(&starts.created, 1));
    CHECK_INT(sandbox_pause(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK_INT(sandbox_resume(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK_INT(sandbox_stop(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK_INT(sandbox_resume(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK(await(&starts.again, 1));
    sandboxes_on_start(f.sandboxes, NULL, NULL);
    CHECK_INT(atomic_load(&starts.created), 1);
    CHECK_INT(atomic_load(&starts.again), 1);
}

static void what_a_crash_cut_short_is_started_later(void)
{
    char id[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{\"auto_start\":true}", id)); /* nobody listens yet */
    REQUIRE(fixture_restart(&f));
    listen_to_starts();
    CHECK(await(&starts.created, 1));
    sandboxes_on_start(f.sandboxes, NULL, NULL);
    REQUIRE(fixture_restart(&f));
    listen_to_starts();
    REQUIRE(fixture_create_id(&f, "{\"auto_start\":true}", id));
    CHECK(await(&starts.created, 1)); /* the new one; not the first one again */
    sandboxes_on_start(f.sandboxes, NULL, NULL);
    CHECK_INT(atomic_load(&starts.created), 1);
}

static void services_are_kept_and_started(void)
{
    char id[ID_SIZE];
    json_t *services = NULL, *spec = json_pack("{s:s}", "command", "serve");
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(sandbox_set_service(f.sandboxes, id, "web", spec, &f.err), 0);
    CHECK_INT(sandbox_set_service(f.sandboxes, id, "db", spec, &f.err), 0);
    CHECK_INT(sandbox_set_service(f.sandboxes, id, "db", NULL, &f.err), 0);
    json_decref(spec);
    REQUIRE(fixture_restart(&f));
    CHECK_INT(sandbox_get_services(f.sandboxes, id, &services, &f.err), 0);
    CHECK_INT(json_object_size(services), 1);
    CHECK(json_object_get(services, "web") != NULL);
    json_decref(services);
    listen_to_starts();
    CHECK_INT(sandbox_stop(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK_INT(sandbox_resume(f.sandboxes, &f.tenant, id, NULL, &f.err), 0);
    CHECK(await(&starts.again, 1));
    sandboxes_on_start(f.sandboxes, NULL, NULL);
}

#define CASES(X)                                                                                   \
    X(one_is_seen_by_id_and_by_slug)                                                               \
    X(a_slug_leads_to_whoever_has_it_now)                                                          \
    X(a_run_ends_with_the_processes_and_not_with_a_pause)                                          \
    X(the_port_is_the_apps_own)                                                                    \
    X(only_those_that_may_are_woken)                                                               \
    X(a_wake_that_fails_says_why)                                                                  \
    X(of_many_at_once_one_wakes_it)                                                                \
    X(a_touch_is_activity)                                                                         \
    X(what_is_kept_for_a_deployment_has_no_timeouts)                                               \
    X(apps_are_started_when_processes_are)                                                         \
    X(what_a_crash_cut_short_is_started_later)                                                     \
    X(services_are_kept_and_started)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};

CHECK_MAIN(cases)
