#include "sandbox/internal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_DEFAULT = 50,
    PAGE_MAX = 1000,
    DESTROYED_MAX = 5000, /* how many destroyed ones a list looks at, newest first */
};

/* One item of a list: a living sandbox, or a record from the store. */
struct item {
    struct sandbox *sandbox;       /* a reference, or NULL */
    struct sandbox_record *record; /* of the store, or NULL */
};

struct listing {
    const struct sandbox_filter *filter;
    int64_t state_counts[SANDBOX_STATE_COUNT];
    int64_t reserved_memory_mb;
};

static bool matches_text(const char *wanted, const char *text)
{
    return !wanted || strcmp(wanted, text) == 0;
}

static bool matches_external(const char *wanted, const struct sandbox_record *record,
                             const char *key)
{
    const char *text = json_string_value(json_object_get(record->external, key));
    return !wanted || (text && strcmp(wanted, text) == 0);
}

static bool matches_search(const char *search, const struct sandbox_record *record)
{
    return !search || strstr(record->name, search) || strstr(record->id, search) ||
           strstr(record->slug, search);
}

/* A tag of an array is its text; one of an object can be asked for by its key, too. */
static bool has_tag(json_t *tags, const char *wanted)
{
    size_t index;
    json_t *tag;
    json_array_foreach(tags, index, tag)
    {
        if (strcmp(json_string_value(tag), wanted) == 0) {
            return true;
        }
    }
    return json_object_get(tags, wanted) != NULL;
}

static bool matches_tags(json_t *wanted, json_t *tags)
{
    size_t index;
    json_t *value;
    json_array_foreach(wanted, index, value)
    {
        if (!json_is_string(value) || !has_tag(tags, json_string_value(value))) {
            return false;
        }
    }
    const char *key;
    json_object_foreach(wanted, key, value)
    {
        if (!json_equal(json_object_get(tags, key), value)) {
            return false;
        }
    }
    return true;
}

static bool matches(const struct sandbox_filter *filter, const struct sandbox_record *record)
{
    return matches_text(filter->template_id, record->template_id) &&
           matches_text(filter->engine, record->engine) &&
           matches_text(filter->workspace_id, record->workspace_id) &&
           matches_text(filter->project_id, record->project_id) &&
           matches_external(filter->external_workspace_id, record, "external_workspace_id") &&
           matches_external(filter->external_user_id, record, "external_user_id") &&
           matches_external(filter->external_project_id, record, "external_project_id") &&
           matches_search(filter->search, record) && matches_tags(filter->tags, record->tags);
}

/* Counts the record and says whether it is listed: the counts are of all states. */
static bool count_and_match(struct listing *listing, const struct sandbox_record *record)
{
    if (!matches(listing->filter, record)) {
        return false;
    }
    enum sandbox_state state = sandbox_state_parse(record->state);
    if (state < SANDBOX_STATE_COUNT) {
        listing->state_counts[state]++;
    }
    if (record->processes) {
        listing->reserved_memory_mb += record->memory_mb;
    }
    return matches_text(listing->filter->state, record->state);
}

static bool select_matching(const struct sandbox *sandbox, void *context)
{
    return count_and_match(context, &sandbox->record);
}

static bool wants_destroyed(const struct sandbox_filter *filter)
{
    return filter->state ? strcmp(filter->state, "destroyed") == 0 : filter->include_destroyed;
}

static const char *item_id(const struct item *item)
{
    return item->sandbox ? item->sandbox->id : item->record->id;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(item_id(b), item_id(a));
}

static json_t *item_object(struct sandboxes *sandboxes, const struct item *item)
{
    if (item->record) {
        return sandbox_object(sandboxes, item->record, NULL);
    }
    pthread_mutex_lock(&item->sandbox->mutex);
    json_t *object = sandbox_object(sandboxes, &item->sandbox->record, item->sandbox);
    pthread_mutex_unlock(&item->sandbox->mutex);
    return object;
}

static json_t *meta_object(const struct listing *listing, int64_t page, int64_t limit,
                           int64_t total)
{
    json_t *counts = json_object();
    for (int state = 0; state < SANDBOX_STATE_COUNT; state++) {
        if (listing->state_counts[state]) {
            json_object_set_new(counts, sandbox_state_name((enum sandbox_state)state),
                                json_integer(listing->state_counts[state]));
        }
    }
    int64_t pages = (total + limit - 1) / limit;
    return json_pack("{s:I, s:I, s:I, s:I, s:b, s:o, s:I}", "page", (json_int_t)page, "limit",
                     (json_int_t)limit, "total", (json_int_t)total, "total_pages",
                     (json_int_t)pages, "has_next_page", page < pages, "state_counts", counts,
                     "reserved_memory_mb", (json_int_t)listing->reserved_memory_mb);
}

static json_t *page_object(struct sandboxes *sandboxes, const struct listing *listing,
                           const struct item *items, size_t count)
{
    int64_t page = listing->filter->page > 0 ? listing->filter->page : 1;
    int64_t limit = listing->filter->limit > 0 ? listing->filter->limit : PAGE_DEFAULT;
    limit = limit < PAGE_MAX ? limit : PAGE_MAX;
    int64_t total = (int64_t)count;
    json_t *data = json_array();
    /* A page far behind the end is empty; the comparison also keeps the product in range. */
    int64_t first = page - 1 <= total / limit ? (page - 1) * limit : total;
    for (int64_t i = first; i < total && i < first + limit; i++) {
        json_array_append_new(data, item_object(sandboxes, &items[i]));
    }
    return json_pack("{s:o, s:o, s:{s:I, s:I, s:I}}", "data", data, "meta",
                     meta_object(listing, page, limit, total), "page", "page", (json_int_t)page,
                     "page_size", (json_int_t)limit, "total", (json_int_t)total);
}

/* What a list is made from; both arrays are owned. */
struct sources {
    struct sandbox **living;
    struct sandbox_record *destroyed;
    size_t living_count, destroyed_count;
};

static void sources_free(struct sources *sources)
{
    for (size_t i = 0; i < sources->living_count; i++) {
        sandbox_unref(sources->living[i]);
    }
    for (size_t i = 0; i < sources->destroyed_count; i++) {
        sandbox_record_clear(&sources->destroyed[i]);
    }
    free(sources->living);
    free(sources->destroyed);
}

static int sources_read(struct sandboxes *sandboxes, const struct principal *principal,
                        struct listing *listing, struct sources *sources, struct error *err)
{
    if (registry_select(sandboxes, principal->tenant_id, select_matching, listing, 0,
                        &sources->living, &sources->living_count) < 0) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list sandboxes");
    }
    if (!wants_destroyed(listing->filter)) {
        return 0;
    }
    return store_sandbox_load_destroyed(sandboxes->store, principal->tenant_id, DESTROYED_MAX,
                                        &sources->destroyed, &sources->destroyed_count, err);
}

/* Joins both sources, newest first; the items point into them. */
static size_t collect(struct listing *listing, const struct sources *sources, struct item *items)
{
    size_t count = 0;
    for (size_t i = 0; i < sources->living_count; i++) {
        items[count++] = (struct item){.sandbox = sources->living[i]};
    }
    for (size_t i = 0; i < sources->destroyed_count; i++) {
        if (count_and_match(listing, &sources->destroyed[i])) {
            items[count++] = (struct item){.record = &sources->destroyed[i]};
        }
    }
    qsort(items, count, sizeof(*items), newest_first);
    return count;
}

/* The documented states, and those that other versions of the API have and no sandbox is in here. */
static bool state_known(const char *state)
{
    static const char *const others[] = {"creating", "starting", "stopped"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(others[i], state) == 0) {
            return true;
        }
    }
    return sandbox_state_parse(state) != SANDBOX_STATE_COUNT;
}

int sandbox_list(struct sandboxes *sandboxes, const struct principal *principal,
                 const struct sandbox_filter *filter, json_t **ret_json, struct error *err)
{
    if (filter->state && !state_known(filter->state)) {
        return error_set_field(err, ERR_VALIDATION, "state", "there is no state '%.32s'",
                               filter->state);
    }
    struct listing listing = {.filter = filter};
    struct sources sources = {0};
    int result = sources_read(sandboxes, principal, &listing, &sources, err);
    if (result == 0) {
        auto_free struct item *items =
            calloc(sources.living_count + sources.destroyed_count + 1, sizeof(*items));
        if (items) {
            size_t count = collect(&listing, &sources, items);
            *ret_json = page_object(sandboxes, &listing, items, count);
        } else {
            result = error_set(err, ERR_INTERNAL, ENOMEM, "list sandboxes");
        }
    }
    sources_free(&sources);
    return result;
}
