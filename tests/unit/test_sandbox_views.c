/* Looking into snapshots, and their names, over a host that exists in memory only. */
#include "check.h"
#include "sandbox_fixture.h"

#include "base/clock.h"
#include "sandbox/snapshot.h"
#include "sandbox/snapshot_names.h"
#include "sandbox/snapshot_view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 20 * 1000 };

static struct fixture f;
static char sandbox_id[ID_SIZE], snapshot_id[ID_SIZE];

/* A sandbox and a snapshot of it. */
static bool prepare(void)
{
    json_t *object = fixture_create(&f, "{}", NULL), *snapshot = NULL;
    snprintf(sandbox_id, sizeof(sandbox_id), "%s", member_text(object, "id"));
    json_decref(object);
    f.err = (struct error){0};
    if (snapshot_create(f.sandboxes, &f.tenant, sandbox_id, NULL, &snapshot, &f.err) < 0) {
        return false;
    }
    snprintf(snapshot_id, sizeof(snapshot_id), "%s", member_text(snapshot, "id"));
    json_decref(snapshot);
    return true;
}

static int look(struct snapshot_view *view)
{
    f.err = (struct error){0};
    return snapshot_view_begin(f.sandboxes, &f.tenant, snapshot_id, WAIT_MS, view, &f.err);
}

static bool await_hosted(size_t count)
{
    struct timespec step = {.tv_nsec = 5 * 1000 * 1000};
    for (int64_t until_ms = clock_monotonic_ms() + WAIT_MS; fake_host_count() != count;) {
        if (clock_monotonic_ms() > until_ms) {
            return false;
        }
        nanosleep(&step, NULL);
    }
    return true;
}

static void one_is_used_again(void)
{
    struct snapshot_view first, second;
    REQUIRE(prepare() && look(&first) == 1 && look(&second) == 1);
    CHECK_TEXT(first.agent_socket, second.agent_socket);
    CHECK_TEXT(fake_host_created_from(), snapshot_id);
    CHECK(fake_host_created_files_only());
    CHECK_INT((int64_t)fake_host_count(), 2);
    snapshot_view_end(f.sandboxes, &first, false);
    snapshot_view_end(f.sandboxes, &second, false);
    CHECK_INT((int64_t)fake_host_count(), 2);
}

static void it_does_not_hold_its_snapshot(void)
{
    struct snapshot_view view;
    REQUIRE(prepare() && look(&view) == 1);
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, snapshot_id, &f.err), 0);
    CHECK_INT((int64_t)fake_host_count(), 2);
    snapshot_view_end(f.sandboxes, &view, false);
    CHECK_INT((int64_t)fake_host_count(), 1);
    CHECK_INT(look(&view), -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
}

static void a_failure_is_told_once(void)
{
    struct snapshot_view view;
    REQUIRE(prepare());
    fake_host_fail_next(FAKE_CREATE, ERR_CAPACITY, false);
    CHECK_INT(look(&view), -1);
    CHECK_INT(f.err.code, ERR_CAPACITY);
    CHECK_INT((int64_t)fake_host_count(), 1);
    REQUIRE(look(&view) == 1);
    snapshot_view_end(f.sandboxes, &view, false);
}

static void a_lost_answer_leaves_nothing(void)
{
    struct snapshot_view view;
    REQUIRE(prepare());
    fake_host_fail_next(FAKE_CREATE, ERR_HOST_UNAVAILABLE, true);
    CHECK_INT(look(&view), -1);
    CHECK(await_hosted(1));
}

static void one_that_died_is_replaced(void)
{
    struct snapshot_view view;
    REQUIRE(prepare() && look(&view) == 1);
    snapshot_view_end(f.sandboxes, &view, false);
    fake_host_fail_next(FAKE_HELLO, ERR_AGENT_UNAVAILABLE, false);
    REQUIRE(look(&view) == 1);
    CHECK_INT(fake_host_calls(FAKE_CREATE), 3);
    CHECK_INT((int64_t)fake_host_count(), 2);
    snapshot_view_end(f.sandboxes, &view, true); /* it died while it was read */
    CHECK_INT((int64_t)fake_host_count(), 1);
}

static void another_life_ends_it(void)
{
    struct snapshot_view view;
    REQUIRE(prepare() && look(&view) == 1);
    snapshot_view_end(f.sandboxes, &view, false);
    fixture_stop(&f);
    CHECK_INT((int64_t)fake_host_count(), 1);
    fake_host_add("sbx_01j9xr2t4fk8me3n5qv7w9x1y3",
                  HOST_STATE_RUNNING); /* of a life that was killed */
    REQUIRE(fixture_start(&f));
    CHECK(await_hosted(1));
    CHECK_TEXT(fixture_state(&f, sandbox_id), "running");
}

static int give(const char *name, const char *snapshot)
{
    json_t *object = NULL;
    f.err = (struct error){0};
    int result =
        snapshot_name_give(f.sandboxes, &f.tenant, name, snapshot, sandbox_id, &object, &f.err);
    json_decref(object);
    return result;
}

static void a_name_that_cannot_be_given_leaves_no_snapshot(void)
{
    struct store_snapshot_filter filter = {.limit = 100};
    json_t *list = NULL;
    REQUIRE(prepare() && give("base", snapshot_id) == 0);
    CHECK_INT(give("BASE", NULL), -1);
    CHECK_INT(f.err.code, ERR_NAME_TAKEN);
    fake_host_fail_next(FAKE_SNAPSHOT, ERR_DISK_FULL, false);
    CHECK_INT(give("other", NULL), -1);
    CHECK_INT(f.err.code, ERR_DISK_FULL);
    REQUIRE(snapshot_list(f.sandboxes, &f.tenant, &filter, &list, NULL, &f.err) == 0);
    CHECK_INT((int64_t)json_array_size(list), 1);
    json_decref(list);
    CHECK_INT((int64_t)fake_host_snapshot_count(), 1);
}

static void a_held_snapshot_outlives_its_name(void)
{
    struct sandbox_origin origin;
    json_t *request = json_object(), *result = NULL;
    REQUIRE(prepare() && give("made", NULL) == 0);
    REQUIRE(sandbox_origin_open(f.sandboxes, &f.tenant, NULL, "Made", request, &origin, &f.err) ==
            0);
    REQUIRE(snapshot_name_release(f.sandboxes, &f.tenant, "made", &result, &f.err) == 0);
    CHECK_TEXT(member_text(result, "outcome"), "kept");
    json_decref(result);
    CHECK_INT((int64_t)fake_host_snapshot_count(), 2);
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, origin.snapshot_id, &f.err), -1);
    char id[ID_SIZE];
    memcpy(id, origin.snapshot_id, sizeof(id));
    sandbox_origin_close(f.sandboxes, &origin, false);
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, id, &f.err), 0);
    json_decref(request);
}

#define CASES(X)                                                                                   \
    X(one_is_used_again)                                                                           \
    X(it_does_not_hold_its_snapshot)                                                               \
    X(a_failure_is_told_once)                                                                      \
    X(a_lost_answer_leaves_nothing)                                                                \
    X(one_that_died_is_replaced)                                                                   \
    X(another_life_ends_it)                                                                        \
    X(a_name_that_cannot_be_given_leaves_no_snapshot)                                              \
    X(a_held_snapshot_outlives_its_name)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};
CHECK_MAIN(cases)
