/* Snapshots over a host that exists in memory only: what is left after failures and restarts. */
#include "check.h"
#include "sandbox_fixture.h"

#include "base/clock.h"
#include "sandbox/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct fixture f;

/* Takes one; its id. */
static bool take(const char *sandbox_id, const char *options, char id[ID_SIZE])
{
    json_t *parsed = json_loads(options, 0, NULL), *object = NULL;
    f.err = (struct error){0};
    int result = snapshot_create(f.sandboxes, &f.tenant, sandbox_id, parsed, &object, &f.err);
    snprintf(id, ID_SIZE, "%s", member_text(object, "id"));
    json_decref(object);
    json_decref(parsed);
    return result == 0;
}

static int64_t count_listed(void)
{
    struct store_snapshot_filter filter = {.limit = 100};
    json_t *list = NULL;
    int64_t total = -1;
    if (snapshot_list(f.sandboxes, &f.tenant, &filter, &list, &total, &f.err) == 0) {
        json_decref(list);
    }
    return total;
}

static const char *status_of(const char *id)
{
    static char status[16];
    json_t *object = NULL;
    status[0] = '\0';
    if (snapshot_get(f.sandboxes, &f.tenant, NULL, id, &object, &f.err) == 0) {
        snprintf(status, sizeof(status), "%s", member_text(object, "status"));
        json_decref(object);
    }
    return status;
}

static bool await(bool (*holds)(const char *id), const char *id)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (!holds(id)) {
        if (clock_monotonic_ms() > until_ms) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* polls a bounded time */
    }
    return true;
}

static bool has_no_files(const char *id)
{
    return !fake_host_has_snapshot(id);
}

static bool has_failed(const char *id)
{
    return strcmp(status_of(id), "failed") == 0;
}

static bool nothing_is_stored(const char *id)
{
    (void)id;
    return fake_host_snapshot_count() == 0;
}

static bool nothing_is_listed(const char *id)
{
    (void)id;
    return count_listed() == 0;
}

static int restore(const char *sandbox_id, const char *snapshot_id)
{
    json_t *object = NULL;
    f.err = (struct error){0};
    int result =
        sandbox_restore(f.sandboxes, &f.tenant, sandbox_id, snapshot_id, false, &object, &f.err);
    json_decref(object);
    return result;
}

static void the_source_runs_on(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_TEXT(status_of(snapshot), "ready");
    CHECK(fake_host_has_snapshot(snapshot));
    CHECK_INT(fake_host_calls(FAKE_FREEZE), 0);
}

static void paused_ones_stay_paused(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(sandbox_pause(f.sandboxes, &f.tenant, id, NULL, &f.err) == 0);
    REQUIRE(take(id, "{}", snapshot));
    CHECK_TEXT(fixture_state(&f, id), "paused");
}

static void a_failure_leaves_nothing(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    fake_host_fail_next(FAKE_SNAPSHOT, ERR_CAPACITY, false);
    CHECK(!take(id, "{}", snapshot));
    CHECK_INT(f.err.code, ERR_CAPACITY);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(count_listed(), 0);
}

/* atoll-host did it and was lost before it could say so. */
static void a_lost_answer_leaves_nothing(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    fake_host_fail_next(FAKE_SNAPSHOT, ERR_HOST_UNAVAILABLE, true);
    CHECK(!take(id, "{}", snapshot));
    CHECK_INT(count_listed(), 0);
    REQUIRE(fixture_await(&f, id, "running"));
    CHECK(await(nothing_is_stored, ""));
}

static void a_lost_answer_of_a_paused_one_leaves_nothing(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(sandbox_stop(f.sandboxes, &f.tenant, id, NULL, &f.err) == 0);
    fake_host_fail_next(FAKE_SNAPSHOT, ERR_HOST_UNAVAILABLE, true);
    CHECK(!take(id, "{}", snapshot));
    CHECK(await(nothing_is_stored, ""));
    CHECK_TEXT(fixture_state(&f, id), "paused");
}

static void one_that_a_crash_cut_short_is_removed(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    struct store_snapshot record;
    REQUIRE(store_snapshot_find(f.store, NULL, snapshot, &record, &f.err) == 1);
    struct store_snapshot half = record;
    id_make("snp_", half.id);
    half.status = SNAPSHOT_CREATING;
    REQUIRE(store_snapshot_insert(f.store, &half, 10, &f.err) == 0);
    fake_host_add_snapshot(half.id);
    store_snapshot_clear(&record);
    REQUIRE(fixture_restart(&f));
    CHECK(await(has_no_files, half.id));
    CHECK_TEXT(status_of(half.id), "");
    CHECK_TEXT(status_of(snapshot), "ready");
    CHECK_INT(fake_host_snapshot_count(), 1);
}

static void files_without_a_record_are_removed(void)
{
    char unknown[ID_SIZE];
    fake_host_add_snapshot(id_make("snp_", unknown));
    REQUIRE(fixture_restart(&f));
    CHECK(await(has_no_files, unknown));
}

static void one_without_files_has_failed(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    fake_host_forget_snapshot(snapshot);
    REQUIRE(fixture_restart(&f));
    REQUIRE(await(has_failed, snapshot));
    CHECK_INT(restore(id, snapshot), -1);
    CHECK_INT(f.err.code, ERR_NOT_RESTORABLE);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, snapshot, &f.err), 0);
}

static void files_that_stay_behind_are_removed_later(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    fake_host_fail_next(FAKE_SNAPSHOT_REMOVE, ERR_HOST_UNAVAILABLE, false);
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, snapshot, &f.err), 0);
    CHECK_TEXT(status_of(snapshot), "");
    CHECK(await(has_no_files, snapshot));
}

static void a_damaged_one_ends_nothing(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    fake_host_fail_next(FAKE_SNAPSHOT_CHECK, ERR_NOT_RESTORABLE, false);
    CHECK_INT(restore(id, snapshot), -1);
    CHECK_INT(f.err.code, ERR_NOT_RESTORABLE);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(fake_host_calls(FAKE_DESTROY), 0);
    CHECK_INT(fake_host_calls(FAKE_CREATE), 1);
}

static void a_refused_restore_goes_on_with_the_old_files(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    fake_host_fail_next(FAKE_CREATE, ERR_NOT_RESTORABLE, false);
    CHECK_INT(restore(id, snapshot), -1);
    CHECK_INT(f.err.code, ERR_NOT_RESTORABLE);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT((int)fake_host_state(id), HOST_STATE_RUNNING);
    CHECK_TEXT(fake_host_created_from(), "");
}

static void restore_keeps_the_id(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    CHECK_INT(restore(id, snapshot), 0);
    CHECK_TEXT(fake_host_created_from(), snapshot);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(fake_host_count(), 1);
}

static void a_held_one_is_not_deleted(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    struct sandbox_origin origin;
    json_t *request = json_object();
    REQUIRE(fixture_create_id(&f, "{\"memory_mb\":300,\"env\":{\"A\":\"b\"}}", id));
    REQUIRE(take(id, "{}", snapshot));
    REQUIRE(sandbox_origin_open(f.sandboxes, &f.tenant, NULL, snapshot, request, &origin, &f.err) ==
            0);
    CHECK_INT(json_integer_value(json_object_get(origin.request, "memory_mb")), 300);
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, snapshot, &f.err), -1);
    CHECK_INT(f.err.code, ERR_SNAPSHOT_IN_USE);
    json_t *dependents = snapshot_dependents(f.sandboxes, snapshot);
    CHECK_TEXT(member_text(json_array_get(dependents, 0), "type"), "fork_in_progress");
    json_decref(dependents);
    sandbox_origin_close(f.sandboxes, &origin, true);
    CHECK_INT(snapshot_delete(f.sandboxes, &f.tenant, NULL, snapshot, &f.err), 0);
    json_decref(request);
}

/* No other tenant can hold what is not its own. */
static void another_tenant_cannot_hold_it(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    struct sandbox_origin origin;
    json_t *request = json_object();
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    CHECK_INT(
        sandbox_origin_open(f.sandboxes, &f.other_tenant, NULL, snapshot, request, &origin, &f.err),
        -1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
    json_t *dependents = snapshot_dependents(f.sandboxes, snapshot);
    CHECK_INT(json_array_size(dependents), 0);
    json_decref(dependents);
    json_decref(request);
}

static void a_forks_snapshot_is_gone_afterwards(void)
{
    char id[ID_SIZE];
    struct sandbox_origin origin;
    json_t *request = json_object();
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(sandbox_origin_of(f.sandboxes, &f.tenant, id, request, &origin, &f.err) == 0);
    CHECK_INT(fake_host_snapshot_count(), 1);
    CHECK_INT(count_listed(), 0);
    sandbox_origin_close(f.sandboxes, &origin, true);
    CHECK_INT(fake_host_snapshot_count(), 0);
    json_decref(request);
}

static void a_bad_fork_takes_no_snapshot(void)
{
    char id[ID_SIZE];
    struct sandbox_origin origin;
    json_t *request = json_pack("{s:i}", "cpu_count", -1);
    REQUIRE(fixture_create_id(&f, "{}", id));
    CHECK_INT(sandbox_origin_of(f.sandboxes, &f.tenant, id, request, &origin, &f.err), -1);
    CHECK_TEXT(f.err.field, "cpu_count");
    CHECK_INT(fake_host_calls(FAKE_SNAPSHOT), 0);
    json_decref(request);
}

static void expired_ones_are_removed(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{\"expiration_seconds\":1}", snapshot));
    CHECK(await(nothing_is_listed, ""));
    CHECK(await(has_no_files, snapshot));
}

static void the_number_is_limited(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    f.settings.max_snapshots = 1;
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(take(id, "{}", snapshot));
    CHECK(!take(id, "{}", snapshot));
    CHECK_INT(f.err.code, ERR_SNAPSHOT_LIMIT);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(fake_host_snapshot_count(), 1);
}

/* atolld was killed while atoll-host took it: the state says so, and the sandbox runs. */
static void one_that_was_being_taken_runs_after_a_crash(void)
{
    char id[ID_SIZE];
    struct sandbox_record record;
    REQUIRE(fixture_create_id(&f, "{}", id));
    REQUIRE(store_sandbox_find(f.store, id, &record, &f.err) == 1);
    snprintf(record.state, sizeof(record.state), "snapshotting");
    REQUIRE(store_sandbox_update(f.store, &record, (struct store_event){0}, &f.err) == 0);
    sandbox_record_clear(&record);
    REQUIRE(fixture_restart(&f));
    CHECK(fixture_await(&f, id, "running"));
    CHECK_INT(fake_host_calls(FAKE_CREATE), 1);
}

#define CASES(X)                                                                                   \
    X(the_source_runs_on)                                                                          \
    X(paused_ones_stay_paused)                                                                     \
    X(a_failure_leaves_nothing)                                                                    \
    X(a_lost_answer_leaves_nothing)                                                                \
    X(a_lost_answer_of_a_paused_one_leaves_nothing)                                                \
    X(one_that_a_crash_cut_short_is_removed)                                                       \
    X(files_without_a_record_are_removed)                                                          \
    X(one_without_files_has_failed)                                                                \
    X(files_that_stay_behind_are_removed_later)                                                    \
    X(a_damaged_one_ends_nothing)                                                                  \
    X(a_refused_restore_goes_on_with_the_old_files)                                                \
    X(restore_keeps_the_id)                                                                        \
    X(a_held_one_is_not_deleted)                                                                   \
    X(another_tenant_cannot_hold_it)                                                               \
    X(a_forks_snapshot_is_gone_afterwards)                                                         \
    X(a_bad_fork_takes_no_snapshot)                                                                \
    X(expired_ones_are_removed)                                                                    \
    X(the_number_is_limited)                                                                       \
    X(one_that_was_being_taken_runs_after_a_crash)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};
CHECK_MAIN(cases)
