/* Which engine a sandbox gets, and what becomes of processes that the host keeps on disk. */
#include "check.h"
#include "sandbox_fixture.h"

#include "base/clock.h"
#include "sandbox/snapshot.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct fixture f;

/* A host with both engines. */
static bool with_vm(const char *accel, const char *problem)
{
    fake_host_vm(accel, problem);
    return fixture_restart(&f);
}

/* A sandbox in a machine; its object. */
static json_t *machine(const char *request)
{
    return with_vm("tcg", "") ? fixture_create(&f, request, NULL) : NULL;
}

static bool make_machine(const char *request, char id[ID_SIZE])
{
    json_t *object = machine(request);
    snprintf(id, ID_SIZE, "%s", member_text(object, "id"));
    json_decref(object);
    return id[0] != '\0';
}

static const char *text_of(const char *id, const char *member)
{
    static char text[64];
    json_t *object = NULL;
    text[0] = '\0';
    if (CALL(sandbox_get, id, &object) == 0) {
        snprintf(text, sizeof(text), "%s", member_text(object, member));
        json_decref(object);
    }
    return text;
}

/* -1: null. */
static int paused_with_memory(const char *id)
{
    json_t *object = NULL;
    int result = -2;
    if (CALL(sandbox_get, id, &object) == 0) {
        json_t *value = json_object_get(object, "paused_with_memory");
        result = json_is_boolean(value) ? json_is_true(value) : json_is_null(value) ? -1 : -2;
        json_decref(object);
    }
    return result;
}

static void check_engine(const char *request, const char *engine)
{
    json_t *object = fixture_create(&f, request, NULL);
    if (CHECK(object != NULL)) {
        CHECK_TEXT(member_text(object, "engine"), engine);
    }
    json_decref(object);
}

static void auto_is_a_machine_only_where_it_is_accelerated(void)
{
    check_engine("{}", "container");
    REQUIRE(with_vm("tcg", ""));
    check_engine("{}", "container");
    check_engine("{\"engine\":\"vm\"}", "vm");
    REQUIRE(with_vm("kvm", "no more memory"));
    check_engine("{\"engine\":\"auto\"}", "container");
    REQUIRE(with_vm("kvm", ""));
    check_engine("{\"engine\":\"auto\"}", "vm");
    check_engine("{\"engine\":\"container\"}", "container");
}

static void the_instance_and_the_template_have_a_say(void)
{
    REQUIRE(with_vm("tcg", ""));
    snprintf(f.settings.engine, sizeof(f.settings.engine), "vm");
    check_engine("{}", "vm");
    check_engine("{\"engine\":\"container\"}", "container");
    check_engine("{\"template_id\":\"in-a-container\"}", "container");
    check_engine("{\"template_id\":\"in-a-container\",\"engine\":\"vm\"}", "vm");
}

static void what_the_host_lacks_is_refused(void)
{
    CHECK(!fixture_create(&f, "{\"engine\":\"vm\"}", NULL));
    CHECK_INT(f.err.code, ERR_ENGINE_UNAVAILABLE);
    REQUIRE(with_vm("tcg", "QEMU is not installed"));
    CHECK(!fixture_create(&f, "{\"engine\":\"vm\"}", NULL));
    CHECK_INT(f.err.code, ERR_ENGINE_UNAVAILABLE);
    CHECK_TEXT(f.err.field, "engine");
    CHECK(strstr(f.err.message, "QEMU is not installed") != NULL);
    CHECK(!fixture_create(&f, "{\"engine\":\"qemu\"}", NULL));
    CHECK_INT(f.err.code, ERR_VALIDATION);
    CHECK_INT(fake_host_calls(FAKE_CREATE), 0);
}

static void an_object_says_what_separates_and_accelerates(void)
{
    json_t *object = machine("{\"engine\":\"vm\"}");
    REQUIRE(object != NULL);
    CHECK_TEXT(member_text(object, "isolation"), "a machine");
    CHECK_TEXT(member_text(object, "accel"), "tcg");
    CHECK_TEXT(member_text(object, "boot_path"), "snapshot");
    CHECK(json_is_null(json_object_get(object, "paused_with_memory")));
    json_decref(object);
    object = fixture_create(&f, "{}", NULL);
    CHECK(json_is_null(json_object_get(object, "accel")));
    json_decref(object);
}

static void lists_can_be_of_one_engine(void)
{
    char id[ID_SIZE], other[ID_SIZE];
    struct sandbox_filter filter = {.engine = "vm"};
    json_t *list = NULL;
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id) && fixture_create_id(&f, "{}", other));
    REQUIRE(sandbox_list(f.sandboxes, &f.tenant, &filter, &list, &f.err) == 0);
    json_t *data = json_object_get(list, "data");
    CHECK_INT((int)json_array_size(data), 1);
    CHECK_TEXT(member_text(json_array_get(data, 0), "id"), id);
    json_decref(list);
}

static void a_pause_frees_the_memory_and_keeps_it(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    CHECK_INT((int)fake_host_state(id), HOST_STATE_SUSPENDED);
    CHECK_INT(paused_with_memory(id), 1);
    REQUIRE(fixture_restart(&f));
    CHECK_INT(paused_with_memory(id), 1);
    REQUIRE(CALL(sandbox_resume, id, NULL) == 0);
    CHECK_TEXT(text_of(id, "boot_path"), "snapshot");
    CHECK_INT(fake_host_calls(FAKE_THAW), 0);
    CHECK_INT(paused_with_memory(id), -1);
}

static void memory_that_cannot_be_used_costs_only_the_processes(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    fake_host_forget_memory();
    REQUIRE(CALL(sandbox_resume, id, NULL) == 0);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_TEXT(text_of(id, "boot_path"), "cold");
}

static void a_stop_gives_the_memory_up(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    REQUIRE(CALL(sandbox_stop, id, NULL) == 0);
    CHECK_INT((int)fake_host_state(id), HOST_STATE_STOPPED);
    CHECK_INT(paused_with_memory(id), 0);
    REQUIRE(CALL(sandbox_resume, id, NULL) == 0);
    CHECK_TEXT(text_of(id, "boot_path"), "cold");
}

static void a_failed_resume_loses_nothing(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    fake_host_fail_next(FAKE_CREATE, ERR_CAPACITY, false);
    CHECK_INT(CALL(sandbox_resume, id, NULL), -1);
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT(paused_with_memory(id), 1);
    CHECK_INT(CALL(sandbox_resume, id, NULL), 0);
    CHECK_TEXT(text_of(id, "boot_path"), "snapshot");
}

/* --- starting apps and services --- */

static atomic_int starts;

static void on_start(void *context, const char *tenant_id, const char *id, bool created)
{
    (void)context, (void)tenant_id, (void)id, (void)created;
    atomic_fetch_add(&starts, 1);
}

static bool await_starts(int wanted)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (atomic_load(&starts) < wanted && clock_monotonic_ms() < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* polls a bounded time */
    }
    return atomic_load(&starts) == wanted;
}

static void services_that_live_on_are_not_started_again(void)
{
    char id[ID_SIZE], marker[ID_SIZE];
    atomic_store(&starts, 0);
    REQUIRE(with_vm("tcg", ""));
    sandboxes_on_start(f.sandboxes, on_start, NULL);
    REQUIRE(fixture_create_id(&f, "{\"engine\":\"vm\",\"auto_start\":true}", id));
    CHECK(await_starts(1));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0 && CALL(sandbox_resume, id, NULL) == 0);
    REQUIRE(fixture_create_id(&f, "{\"auto_start\":true}", marker)); /* behind it in the queue */
    CHECK(await_starts(2));
    fake_host_forget_memory();
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0 && CALL(sandbox_resume, id, NULL) == 0);
    CHECK(await_starts(3));
    sandboxes_on_start(f.sandboxes, NULL, NULL);
    CHECK_INT(atomic_load(&starts), 3);
}

static void what_was_not_started_before_a_pause_is_started_after_it(void)
{
    char id[ID_SIZE];
    atomic_store(&starts, 0);
    REQUIRE(make_machine("{\"engine\":\"vm\",\"auto_start\":true}", id)); /* nobody listens yet */
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0 && CALL(sandbox_resume, id, NULL) == 0);
    REQUIRE(fixture_restart(&f));
    sandboxes_on_start(f.sandboxes, on_start, NULL);
    CHECK(await_starts(1));
    sandboxes_on_start(f.sandboxes, NULL, NULL);
}

/* --- after crashes --- */

static void one_that_the_host_suspended_is_paused(void)
{
    char id[ID_SIZE], fleeting[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(fixture_create_id(&f, "{\"engine\":\"vm\",\"persistent\":false}", fleeting));
    fixture_stop(&f);
    fake_host_add(id, HOST_STATE_SUSPENDED);
    fake_host_add(fleeting, HOST_STATE_SUSPENDED);
    REQUIRE(fixture_start(&f));
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT(paused_with_memory(id), 1);
    CHECK_TEXT(fixture_state(&f, fleeting), "paused");
    CHECK_INT(CALL(sandbox_resume, fleeting, NULL), 0);
    CHECK_TEXT(text_of(fleeting, "boot_path"), "snapshot");
}

/* The call takes effect or not, its answer is lost, atolld starts again. */
static void lose_answer(enum fake_call call, const char *id,
                        int (*verb)(struct sandboxes *, const struct principal *, const char *,
                                    json_t **, struct error *),
                        bool took_effect)
{
    REQUIRE(fixture_restart(&f)); /* so that no reconcile comes between */
    fake_host_fail_next(call, ERR_HOST_UNAVAILABLE, took_effect);
    CHECK_INT(verb(f.sandboxes, &f.tenant, id, NULL, &f.err), -1);
    REQUIRE(fixture_restart(&f));
}

static void half_done_pauses_and_resumes_are_settled(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    lose_answer(FAKE_FREEZE, id, sandbox_pause, true);
    CHECK(fixture_await(&f, id, "paused"));
    CHECK_INT(paused_with_memory(id), 1);
    lose_answer(FAKE_CREATE, id, sandbox_resume, false);
    CHECK(fixture_await(&f, id, "paused"));
    CHECK_INT(paused_with_memory(id), 1);
    lose_answer(FAKE_CREATE, id, sandbox_resume, true);
    CHECK(fixture_await(&f, id, "running"));
    lose_answer(FAKE_FREEZE, id, sandbox_pause, false);
    CHECK(fixture_await(&f, id, "running"));
    CHECK_INT(CALL(sandbox_pause, id, NULL), 0);
    lose_answer(FAKE_DESTROY, id, sandbox_stop, false);
    CHECK(fixture_await(&f, id, "paused"));
    CHECK_INT(paused_with_memory(id), 1);
}

static void memory_that_the_host_lost_is_not_promised(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    fixture_stop(&f);
    fake_host_add(id, HOST_STATE_STOPPED);
    REQUIRE(fixture_start(&f));
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT(paused_with_memory(id), 0);
    CHECK_INT(CALL(sandbox_resume, id, NULL), 0);
}

static void a_paused_one_that_runs_is_suspended(void)
{
    char id[ID_SIZE];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    fixture_stop(&f);
    fake_host_add(id, HOST_STATE_RUNNING);
    REQUIRE(fixture_start(&f));
    CHECK_TEXT(fixture_state(&f, id), "paused");
    CHECK_INT((int)fake_host_state(id), HOST_STATE_SUSPENDED);
    CHECK_INT(paused_with_memory(id), 1);
}

static void the_last_words_of_a_machine_are_kept(void)
{
    char id[ID_SIZE], text[400];
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    fake_host_console("Kernel panic - not syncing\nRebooting");
    fake_host_end(id, "its kernel panicked", true);
    REQUIRE(fixture_await(&f, id, "error"));
    fixture_metadata(&f, id, text, sizeof(text));
    CHECK_TEXT(text, "its kernel panicked\nlast console lines:\nKernel panic - not syncing\n"
                     "Rebooting");
    REQUIRE(fixture_restart(&f));
    fixture_metadata(&f, id, text, sizeof(text));
    CHECK(strstr(text, "Kernel panic") != NULL);
}

/* --- snapshots with memory --- */

static bool take(const char *sandbox_id, char id[ID_SIZE], int64_t *ret_memory_bytes)
{
    json_t *object = NULL, *options = json_object();
    int result = snapshot_create(f.sandboxes, &f.tenant, sandbox_id, options, &object, &f.err);
    json_decref(options);
    snprintf(id, ID_SIZE, "%s", member_text(object, "id"));
    *ret_memory_bytes = json_integer_value(json_object_get(object, "memory_bytes"));
    CHECK_INT(json_is_true(json_object_get(object, "memory")), *ret_memory_bytes > 0);
    json_decref(object);
    return result == 0;
}

/* A sandbox of that snapshot; its object, or NULL with f.err. */
static json_t *fork_of(const char *snapshot_id, const char *request)
{
    json_t *body = json_loads(request, 0, NULL), *object = NULL;
    struct sandbox_origin origin;
    struct sandbox_spec spec;
    f.err = (struct error){0};
    if (sandbox_origin_open(f.sandboxes, &f.tenant, NULL, snapshot_id, body, &origin, &f.err) ==
        0) {
        if (sandbox_spec_parse(&f.settings, f.catalogue, origin.request, &spec, &f.err) == 0) {
            spec.origin = &origin;
            sandbox_create(f.sandboxes, &f.tenant, &spec, &object, &f.err);
        }
        sandbox_origin_close(f.sandboxes, &origin, true);
    }
    json_decref(body);
    return object;
}

static void check_refused(const char *snapshot_id, const char *request, const char *field)
{
    json_t *object = fork_of(snapshot_id, request);
    CHECK(object == NULL);
    CHECK_INT(f.err.code, ERR_VALIDATION);
    CHECK_TEXT(f.err.field, field);
    json_decref(object);
}

static void a_fork_with_memory_is_what_its_snapshot_was(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    int64_t memory_bytes;
    REQUIRE(make_machine("{\"engine\":\"vm\",\"memory_mb\":512}", id));
    REQUIRE(take(id, snapshot, &memory_bytes));
    CHECK_INT((int)memory_bytes, 256);
    json_t *fork = fork_of(snapshot, "{\"engine\":\"auto\"}");
    CHECK_TEXT(member_text(fork, "engine"), "vm");
    CHECK_TEXT(member_text(fork, "boot_path"), "snapshot");
    CHECK_INT((int)json_integer_value(json_object_get(fork, "memory_mb")), 512);
    CHECK(!fake_host_created_files_only());
    json_decref(fork);
    check_refused(snapshot, "{\"engine\":\"container\"}", "engine");
    check_refused(snapshot, "{\"memory_mb\":768}", "memory_mb");
    check_refused(snapshot, "{\"cpu_count\":2}", "cpu_count");
}

static void its_files_alone_fit_any_shape(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    int64_t memory_bytes;
    REQUIRE(make_machine("{\"engine\":\"vm\",\"memory_mb\":512}", id));
    REQUIRE(take(id, snapshot, &memory_bytes));
    json_t *fork = fork_of(snapshot, "{\"memory\":false,\"memory_mb\":768,\"cpu_count\":2}");
    CHECK(fork != NULL && fake_host_created_files_only());
    json_decref(fork);
}

static void a_snapshot_of_a_stopped_one_has_files_only(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    int64_t memory_bytes;
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(CALL(sandbox_stop, id, NULL) == 0);
    REQUIRE(take(id, snapshot, &memory_bytes));
    CHECK_INT((int)memory_bytes, 0);
    check_refused(snapshot, "{\"memory\":true}", "memory");
    json_t *fork = fork_of(snapshot, "{\"memory_mb\":768}");
    CHECK(fork != NULL);
    json_decref(fork);
    CHECK(!fixture_create(&f, "{\"memory\":false}", NULL));
    CHECK_TEXT(f.err.field, "memory");
}

static void a_fork_keeps_the_services_that_live_in_it(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE], forked[ID_SIZE];
    int64_t memory_bytes;
    json_t *spec = json_pack("{s:s}", "command", "sleep inf"), *services = NULL;
    atomic_store(&starts, 0);
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(sandbox_set_service(f.sandboxes, id, "db", spec, &f.err) == 0);
    json_decref(spec);
    REQUIRE(take(id, snapshot, &memory_bytes));
    sandboxes_on_start(f.sandboxes, on_start, NULL);
    json_t *fork = fork_of(snapshot, "{}");
    snprintf(forked, sizeof(forked), "%s", member_text(fork, "id"));
    json_decref(fork);
    REQUIRE(sandbox_get_services(f.sandboxes, forked, &services, &f.err) == 0);
    CHECK(json_object_get(services, "db") != NULL);
    json_decref(services);
    fork = fork_of(snapshot, "{\"memory\":false}");
    json_decref(fork);
    CHECK(await_starts(1)); /* of the second one */
    sandboxes_on_start(f.sandboxes, NULL, NULL);
    CHECK_INT(atomic_load(&starts), 1);
}

static void a_restore_brings_processes_back(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    int64_t memory_bytes;
    json_t *object = NULL;
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(take(id, snapshot, &memory_bytes));
    REQUIRE(CALL(sandbox_pause, id, NULL) == 0);
    REQUIRE(sandbox_restore(f.sandboxes, &f.tenant, id, snapshot, false, &object, &f.err) == 0);
    CHECK_TEXT(member_text(object, "state"), "running");
    CHECK_TEXT(member_text(object, "boot_path"), "snapshot");
    json_decref(object);
}

static void memory_that_does_not_fit_is_refused(void)
{
    char id[ID_SIZE], snapshot[ID_SIZE];
    int64_t memory_bytes;
    json_t *object = NULL;
    REQUIRE(make_machine("{\"engine\":\"vm\"}", id));
    REQUIRE(take(id, snapshot, &memory_bytes));
    fake_host_forget_memory();
    CHECK(fork_of(snapshot, "{}") == NULL);
    CHECK_INT(f.err.code, ERR_NOT_RESTORABLE);
    CHECK(strstr(f.err.message, "another QEMU") != NULL);
    CHECK_INT((int)fake_host_count(), 1);
    CHECK_INT(sandbox_restore(f.sandboxes, &f.tenant, id, snapshot, false, &object, &f.err), -1);
    CHECK_INT(f.err.code, ERR_NOT_RESTORABLE);
    CHECK_TEXT(fixture_state(&f, id), "running");
    CHECK_INT(fake_host_calls(FAKE_DESTROY), 1); /* of the fork */
    object = fork_of(snapshot, "{\"memory\":false}");
    CHECK_TEXT(member_text(object, "state"), "running");
    json_decref(object);
    REQUIRE(sandbox_restore(f.sandboxes, &f.tenant, id, snapshot, true, &object, &f.err) == 0);
    CHECK_TEXT(member_text(object, "boot_path"), "cold");
    json_decref(object);
}

#define CASES(X)                                                                                   \
    X(auto_is_a_machine_only_where_it_is_accelerated)                                              \
    X(the_instance_and_the_template_have_a_say)                                                    \
    X(what_the_host_lacks_is_refused)                                                              \
    X(an_object_says_what_separates_and_accelerates)                                               \
    X(lists_can_be_of_one_engine)                                                                  \
    X(a_pause_frees_the_memory_and_keeps_it)                                                       \
    X(memory_that_cannot_be_used_costs_only_the_processes)                                         \
    X(a_stop_gives_the_memory_up)                                                                  \
    X(a_failed_resume_loses_nothing)                                                               \
    X(services_that_live_on_are_not_started_again)                                                 \
    X(what_was_not_started_before_a_pause_is_started_after_it)                                     \
    X(one_that_the_host_suspended_is_paused)                                                       \
    X(half_done_pauses_and_resumes_are_settled)                                                    \
    X(memory_that_the_host_lost_is_not_promised)                                                   \
    X(a_paused_one_that_runs_is_suspended)                                                         \
    X(the_last_words_of_a_machine_are_kept)                                                        \
    X(a_fork_with_memory_is_what_its_snapshot_was)                                                 \
    X(its_files_alone_fit_any_shape)                                                               \
    X(a_snapshot_of_a_stopped_one_has_files_only)                                                  \
    X(a_fork_keeps_the_services_that_live_in_it)                                                   \
    X(a_restore_brings_processes_back)                                                             \
    X(memory_that_does_not_fit_is_refused)

CASES(FIXTURE_CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};

CHECK_MAIN(cases)
