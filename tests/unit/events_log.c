/* The event log: what is told, in which order, from where, and what is said to be lost. */
#include "check.h"

#include "events/cursor.h"
#include "events/events.h"
#include "events/names.h"
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

static char directory[64], path[96];
static struct store *store;
static struct events *events;
static struct error err;

static bool set_up(void)
{
    err = (struct error){0};
    snprintf(directory, sizeof(directory), "/tmp/atoll-unit-XXXXXX");
    if (!mkdtemp(directory)) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/atoll.db", directory);
    store = store_open(path, &err);
    events = store ? events_open(store, &err) : NULL;
    return events != NULL;
}

static void tear_down(void)
{
    events = events_close(events);
    store = store_close(store);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char file[112];
        snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
        unlink(file);
    }
    rmdir(directory);
}

static void append(const char *tenant, const char *sandbox, int number)
{
    CHECK_INT(events_append(events, tenant, sandbox, "sandbox.test",
                            json_pack("{s:i}", "number", number), &err),
              0);
}

static struct subscription *subscribe(const char *sandbox, const char *cursor, bool from_start)
{
    struct events_filter filter = {
        .tenant_id = "one", .sandbox_id = sandbox, .cursor = cursor, .from_start = from_start};
    return events_subscribe(events, &filter, &err);
}

/* The number of the next event, or -1. */
static int next_number(struct subscription *subscription, struct event *ret_event)
{
    struct event event;
    err = (struct error){0};
    if (events_next(subscription, -1, WAIT_MS, &event, &err) != 1) {
        return -1;
    }
    int number = (int)json_integer_value(json_object_get(event.data, "number"));
    json_decref(event.data);
    event.data = NULL;
    if (ret_event) {
        *ret_event = event;
    }
    return number;
}

static bool is_quiet(struct subscription *subscription)
{
    struct event event;
    return events_next(subscription, -1, 0, &event, &err) == 0;
}

static void a_reader_gets_what_happens_from_now_on(void)
{
    REQUIRE(set_up());
    append("one", "sbx_a", 1);
    struct subscription *reader = subscribe(NULL, NULL, false);
    REQUIRE(reader);
    CHECK(is_quiet(reader));
    append("one", "sbx_a", 2);
    append("two", "sbx_c", 3);
    append("one", "sbx_b", 4);
    CHECK_INT(next_number(reader, NULL), 2);
    CHECK_INT(next_number(reader, NULL), 4);
    CHECK(is_quiet(reader));
    events_unsubscribe(reader);
    tear_down();
}

static void a_cursor_goes_on_behind_its_event(void)
{
    REQUIRE(set_up());
    for (int i = 0; i < 500; i++) {
        append("one", i % 2 ? "sbx_a" : "sbx_b", i);
    }
    struct subscription *reader = subscribe("sbx_a", NULL, true);
    REQUIRE(reader);
    struct event event = {0};
    for (int i = 1; i < 300; i += 2) {
        REQUIRE(CHECK_INT(next_number(reader, &event), i));
    }
    events_unsubscribe(reader);
    reader = subscribe("sbx_a", event.cursor, false);
    REQUIRE(reader);
    for (int i = 301; i < 500; i += 2) {
        REQUIRE(CHECK_INT(next_number(reader, NULL), i));
    }
    append("one", "sbx_a", 1000);
    CHECK_INT(next_number(reader, NULL), 1000);
    CHECK(is_quiet(reader));
    events_unsubscribe(reader);
    tear_down();
}

/* Returns its argument when all were written; checks are the main thread's. */
static void *append_many(void *argument)
{
    for (int i = 0; i < 1000; i++) {
        struct error own = {0};
        if (events_append(events, "one", "sbx_a", "sandbox.test", json_pack("{s:i}", "number", i),
                          &own) < 0) {
            return NULL;
        }
    }
    return argument;
}

static void no_event_is_missed_or_told_twice_while_it_is_written(void)
{
    REQUIRE(set_up());
    pthread_t writer;
    REQUIRE(pthread_create(&writer, NULL, append_many, events) == 0);
    char cursor[48] = "0-0";
    int expected = 0;
    while (expected < 1000) {
        struct subscription *reader = subscribe("sbx_a", cursor, false);
        REQUIRE(reader);
        for (int i = 0; i < 37 && expected < 1000; i++) {
            struct event event = {0};
            int got = next_number(reader, &event);
            if (got < 0 && err.code == ERR_CONFLICT) {
                continue; /* live events are no matter here */
            }
            REQUIRE(CHECK_INT(got, expected));
            expected++;
            memcpy(cursor, event.cursor, sizeof(cursor));
        }
        events_unsubscribe(reader);
    }
    void *result = NULL;
    pthread_join(writer, &result);
    CHECK(result == events);
    tear_down();
}

static void live_events_exist_while_somebody_listens(void)
{
    REQUIRE(set_up());
    CHECK(!events_wanted(events, "one", "sbx_a"));
    struct subscription *reader = subscribe("sbx_a", NULL, false);
    REQUIRE(reader);
    CHECK(events_wanted(events, "one", "sbx_a"));
    CHECK(!events_wanted(events, "one", "sbx_b"));
    CHECK(!events_wanted(events, "two", "sbx_a"));
    events_publish_live(events, "one", "sbx_a", "sandbox.test", json_pack("{s:i}", "number", 7));
    struct event event = {0};
    CHECK_INT(next_number(reader, &event), 7);
    CHECK(!event.is_stored);
    events_unsubscribe(reader);
    CHECK(events_wanted(events, "one", "sbx_a")); /* for a while: it may come back */
    events_publish_live(events, "one", "sbx_a", "sandbox.test", json_pack("{s:i}", "number", 8));
    reader = subscribe("sbx_a", event.cursor, false);
    CHECK_INT(next_number(reader, NULL), 8);
    events_unsubscribe(reader);
    tear_down();
}

static void an_overrun_loses_live_events_and_no_stored_ones(void)
{
    REQUIRE(set_up());
    struct subscription *reader = subscribe("sbx_a", NULL, false);
    REQUIRE(reader);
    append("one", "sbx_a", 1);
    for (int i = 0; i < 5000; i++) {
        events_publish_live(events, "one", "sbx_a", "sandbox.test",
                            json_pack("{s:i}", "number", 9));
    }
    append("one", "sbx_a", 2);
    bool was_told = false;
    int stored[2] = {0}, count = 0;
    while (count < 2) {
        struct event event = {0};
        int got = next_number(reader, &event);
        if (got < 0) {
            REQUIRE(CHECK_INT(err.code, ERR_CONFLICT));
            CHECK_TEXT(err.field, "live");
            CHECK(!was_told);
            was_told = true;
        } else if (event.is_stored) {
            stored[count++] = got;
        }
    }
    CHECK(was_told);
    CHECK_INT(stored[0], 1);
    CHECK_INT(stored[1], 2);
    events_unsubscribe(reader);
    tear_down();
}

static void run_sql(const char *sql)
{
    sqlite3 *db = NULL;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, WAIT_MS);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_cursor_older_than_the_log_is_told(void)
{
    REQUIRE(set_up());
    for (int i = 1; i <= 5; i++) {
        append("one", "sbx_a", i);
    }
    run_sql("UPDATE events SET at_ms = 1");
    CHECK_INT(store_prune(store, &err), 0);
    append("one", "sbx_a", 6);
    struct subscription *reader = subscribe("sbx_a", "1-0", false);
    REQUIRE(reader);
    CHECK_INT(next_number(reader, NULL), -1);
    CHECK_INT(err.code, ERR_CONFLICT);
    CHECK_TEXT(err.field, "stored");
    /* The newest one is kept, however old: numbers never begin again. */
    struct event event = {0};
    CHECK_INT(next_number(reader, &event), 5);
    CHECK_INT(next_number(reader, &event), 6);
    CHECK(strncmp(event.cursor, "6-", 2) == 0);
    events_unsubscribe(reader);
    tear_down();
}

static void an_end_reaches_every_reader(void)
{
    REQUIRE(set_up());
    struct subscription *reader = subscribe(NULL, NULL, false);
    REQUIRE(reader);
    events_end_all(events);
    CHECK_INT(next_number(reader, NULL), -1);
    CHECK_INT(err.code, ERR_SHUTTING_DOWN);
    events_unsubscribe(reader);
    tear_down();
}

static void cursors_are_read_strictly(void)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "-",
                                      "1-",
                                      "-1",
                                      "a-1",
                                      "1-a",
                                      "1-2-3",
                                      " 1-2",
                                      "1-2 ",
                                      "1234567890123456789-1",
                                      "+1-2",
                                      "0x1-2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cursor cursor;
        err = (struct error){0};
        CHECK_INT(cursor_parse(bad[i], &cursor, &err), -1);
        CHECK_INT(err.code, ERR_VALIDATION);
    }
    struct cursor cursor = {123456789012345678, 0}, again;
    char text[CURSOR_SIZE];
    CHECK_INT(cursor_parse(cursor_print(&cursor, text), &again, &err), 0);
    CHECK_INT(again.seq, cursor.seq);
    CHECK_INT(again.n, 0);
}

static void types_match_as_lists_with_wildcards(void)
{
    CHECK(event_type_matches(NULL, "a.b"));
    CHECK(event_type_matches("", "a.b"));
    CHECK(event_type_matches("*", "a.b"));
    CHECK(event_type_matches("x,a.*", "a.b"));
    CHECK(event_type_matches("a.b", "a.b"));
    CHECK(!event_type_matches("a", "a.b"));
    CHECK(!event_type_matches("a.bc", "a.b"));
    CHECK(!event_type_matches("b.*,a", "a.b"));
    CHECK(!event_type_matches(",", "a.b"));
}

static void changes_are_told_under_all_their_names(void)
{
    const char *names[EVENT_NAMES_MAX];
    json_t *data = json_pack("{s:s, s:s}", "state", "running", "previous_state", "provisioning");
    CHECK_INT(event_names("state_changed", data, names), 3);
    CHECK_TEXT(names[0], "state_changed");
    CHECK_TEXT(names[1], "sandbox.running");
    CHECK_TEXT(names[2], "sandbox.ready");
    json_decref(data);
    data =
        json_pack("{s:s, s:s, s:s}", "state", "error", "previous_state", "running", "message", "m");
    CHECK_INT(event_names("state_changed", data, names), 3);
    CHECK_TEXT(names[1], "error");
    CHECK_TEXT(names[2], "sandbox.error");
    json_t *told = event_data("error", "sbx_a", 1000, data);
    CHECK_TEXT(json_string_value(json_object_get(told, "message")), "m");
    CHECK_TEXT(json_string_value(json_object_get(told, "timestamp")), "1970-01-01T00:00:01.000Z");
    CHECK(!json_object_get(told, "state"));
    json_decref(told);
    json_decref(data);
}

static const struct check_case cases[] = {
    {"a_reader_gets_what_happens_from_now_on", a_reader_gets_what_happens_from_now_on},
    {"a_cursor_goes_on_behind_its_event", a_cursor_goes_on_behind_its_event},
    {"no_event_is_missed_or_told_twice_while_it_is_written",
     no_event_is_missed_or_told_twice_while_it_is_written},
    {"live_events_exist_while_somebody_listens", live_events_exist_while_somebody_listens},
    {"an_overrun_loses_live_events_and_no_stored_ones",
     an_overrun_loses_live_events_and_no_stored_ones},
    {"a_cursor_older_than_the_log_is_told", a_cursor_older_than_the_log_is_told},
    {"an_end_reaches_every_reader", an_end_reaches_every_reader},
    {"cursors_are_read_strictly", cursors_are_read_strictly},
    {"types_match_as_lists_with_wildcards", types_match_as_lists_with_wildcards},
    {"changes_are_told_under_all_their_names", changes_are_told_under_all_their_names},
};

CHECK_MAIN(cases)
