/* Which engine a request is for, and what several engines have together. */
#include "base/cleanup.h"
#include "check.h"
#include "hostd/engines.h"

#include <string.h>

/* An engine that has what it is told to have. */
struct engine {
    const char *sandboxes[3], *snapshots[3];
    struct engine_call *closing;
    bool freed;
};

static struct engine first, second;

static struct engine *open_first(const struct engine_context *context, struct error *err)
{
    (void)context, (void)err;
    first = (struct engine){.sandboxes = {"sbx_b", "sbx_d"}, .snapshots = {"snp_b"}};
    return &first;
}

static struct engine *open_second(const struct engine_context *context, struct error *err)
{
    (void)context, (void)err;
    second = (struct engine){.sandboxes = {"sbx_a", "sbx_c"}, .snapshots = {"snp_a", "snp_c"}};
    return &second;
}

static struct engine *open_nothing(const struct engine_context *context, struct error *err)
{
    (void)context;
    error_set(err, ERR_INTERNAL, 0, "no luck");
    return NULL;
}

static bool holds(const char *const names[3], const char *name)
{
    for (int i = 0; i < 3 && names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool has(const struct engine *engine, const char *id)
{
    return holds(engine->sandboxes, id);
}

static bool snapshot_has(const struct engine *engine, const char *snapshot_id)
{
    return holds(engine->snapshots, snapshot_id);
}

static int list(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
                struct error *err)
{
    struct engine_sandbox *items = calloc(3, sizeof(*items));
    if (!items) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list");
    }
    *ret_list = items;
    for (*ret_count = 0; engine->sandboxes[*ret_count]; (*ret_count)++) {
        snprintf(items[*ret_count].id, ID_SIZE, "%s", engine->sandboxes[*ret_count]);
    }
    return 0;
}

static int snapshot_list(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                         struct error *err)
{
    char(*items)[ID_SIZE] = calloc(3, ID_SIZE);
    if (!items) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list");
    }
    *ret_ids = items;
    for (*ret_count = 0; engine->snapshots[*ret_count]; (*ret_count)++) {
        snprintf(items[*ret_count], ID_SIZE, "%s", engine->snapshots[*ret_count]);
    }
    return 0;
}

static void close_later(struct engine *engine, bool everything, struct engine_call *call)
{
    (void)everything;
    engine->closing = call;
}

static void free_engine(struct engine *engine)
{
    engine->freed = true;
}

#define FAKE(engine_name, engine_open)                                                             \
    {                                                                                              \
        .name = engine_name, .open = engine_open, .has = has, .snapshot_has = snapshot_has,        \
        .list = list, .snapshot_list = snapshot_list, .close = close_later, .free = free_engine    \
    }

static const struct engine_operations first_operations = FAKE("first", open_first);
static const struct engine_operations second_operations = FAKE("second", open_second);
static const struct engine_operations broken_operations = FAKE("broken", open_nothing);

static struct engines engines;

static void open_both(void)
{
    static const struct engine_operations *const table[] = {&first_operations, &second_operations,
                                                            NULL};
    struct error err = {0};
    REQUIRE(engines_open(&engines, table, NULL, &err) == 0);
    CHECK_INT(engines.count, 2);
}

static void sandboxes_lead_to_their_engine(void)
{
    open_both();
    CHECK(engines_of(&engines, "sbx_a")->engine == &second);
    CHECK(engines_of(&engines, "sbx_b")->engine == &first);
    CHECK(engines_of(&engines, "sbx_unknown")->engine == &first);
    CHECK(engines_of_snapshot(&engines, "snp_c")->engine == &second);
    CHECK(engines_of_snapshot(&engines, "snp_unknown")->engine == &first);
}

static void creates_go_to_the_engine_that_they_name(void)
{
    struct engine_create plan = {.id = "sbx_new"};
    struct error err = {0};
    open_both();
    CHECK(engines_for_create(&engines, "first", &plan, &err)->engine == &first);
    CHECK(engines_for_create(&engines, "second", &plan, &err)->engine == &second);
    CHECK(!engines_for_create(&engines, "third", &plan, &err));
    CHECK_INT(err.code, ERR_VALIDATION);
    CHECK_TEXT(err.field, "engine");
}

static void no_two_engines_have_the_same_sandbox(void)
{
    struct engine_create plan = {.id = "sbx_b"};
    struct error err = {0};
    open_both();
    CHECK(engines_for_create(&engines, "first", &plan, &err)->engine == &first);
    CHECK(!engines_for_create(&engines, "second", &plan, &err));
    CHECK_INT(err.code, ERR_CONFLICT);
}

static void snapshots_stay_with_their_engine(void)
{
    struct engine_create plan = {.id = "sbx_new", .snapshot_id = "snp_a"};
    struct engine_snapshot snapshot = {.id = "sbx_b", .snapshot_id = "snp_a"};
    struct error err = {0};
    open_both();
    CHECK(engines_for_create(&engines, "second", &plan, &err)->engine == &second);
    CHECK(!engines_for_create(&engines, "first", &plan, &err));
    CHECK_INT(err.code, ERR_NOT_RESTORABLE);
    CHECK(!engines_for_snapshot(&engines, &snapshot, &err));
    CHECK_INT(err.code, ERR_CONFLICT);
    snprintf(snapshot.snapshot_id, sizeof(snapshot.snapshot_id), "snp_new");
    CHECK(engines_for_snapshot(&engines, &snapshot, &err)->engine == &first);
}

static void lists_are_merged_in_order(void)
{
    struct error err = {0};
    size_t count;
    auto_free struct listed_sandbox *sandboxes = NULL;
    auto_free char(*ids)[ID_SIZE] = NULL;
    open_both();
    REQUIRE(engines_list(&engines, &sandboxes, &count, &err) == 0);
    REQUIRE(count == 4);
    CHECK_TEXT(sandboxes[0].sandbox.id, "sbx_a");
    CHECK_TEXT(sandboxes[0].engine, "second");
    CHECK_TEXT(sandboxes[1].sandbox.id, "sbx_b");
    CHECK_TEXT(sandboxes[1].engine, "first");
    CHECK_TEXT(sandboxes[3].sandbox.id, "sbx_d");
    REQUIRE(engines_snapshot_list(&engines, &ids, &count, &err) == 0);
    REQUIRE(count == 3);
    CHECK_TEXT(ids[0], "snp_a");
    CHECK_TEXT(ids[2], "snp_c");
}

static int closed;

static void on_closed(struct engine_call *call, const struct error *error)
{
    (void)call;
    CHECK(!error);
    closed++;
}

static void closing_waits_for_all(void)
{
    struct engine_call call = {.on_done = on_closed};
    open_both();
    closed = 0;
    engines_close(&engines, false, &call);
    second.closing->on_done(second.closing, NULL);
    CHECK_INT(closed, 0);
    first.closing->on_done(first.closing, NULL);
    CHECK_INT(closed, 1);
    engines_free(&engines);
    CHECK(first.freed && second.freed);
}

static void an_engine_that_cannot_open_says_which(void)
{
    static const struct engine_operations *const table[] = {&first_operations, &broken_operations,
                                                            NULL};
    struct error err = {0};
    CHECK(engines_open(&engines, table, NULL, &err) < 0);
    CHECK_TEXT(err.message, "engine broken: no luck");
    engines_free(&engines);
    CHECK(first.freed);
}

static const struct check_case cases[] = {
    {"sandboxes lead to their engine", sandboxes_lead_to_their_engine},
    {"creates go to the engine that they name", creates_go_to_the_engine_that_they_name},
    {"no two engines have the same sandbox", no_two_engines_have_the_same_sandbox},
    {"snapshots stay with their engine", snapshots_stay_with_their_engine},
    {"lists are merged in order", lists_are_merged_in_order},
    {"closing waits for all", closing_waits_for_all},
    {"an engine that cannot open says which", an_engine_that_cannot_open_says_which},
};

CHECK_MAIN(cases)
