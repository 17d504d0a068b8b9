/* GET /sandboxes: filters and pages. */
#include "api/api.h"
#include "api/sandbox_routes.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 100, PAGE_MAX = 1000000 };

/* Documented elsewhere, never entered here: they select nothing. */
static bool is_foreign_state(const char *state)
{
    static const char *const foreign[] = {"creating", "starting", "stopped"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (strcmp(state, foreign[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int take_state(const struct request *request, struct sandbox_filter *filter,
                      struct error *err)
{
    const char *state = request_query(request, "state");
    if (!state || !*state) {
        return 0;
    }
    filter->state = state;
    for (int i = 0; i < SANDBOX_STATE_COUNT; i++) {
        if (strcmp(state, sandbox_state_name((enum sandbox_state)i)) == 0) {
            return 0;
        }
    }
    if (is_foreign_state(state)) {
        return 0;
    }
    return error_set_field(err, ERR_VALIDATION, "state", "there is no state '%.32s'", state);
}

static int take_engine(const struct request *request, struct sandbox_filter *filter,
                       struct error *err)
{
    const char *engine = request_query(request, "engine");
    if (!engine || !*engine) {
        return 0;
    }
    filter->engine = engine;
    return strcmp(engine, "container") == 0 || strcmp(engine, "vm") == 0
               ? 0
               : error_set_field(err, ERR_VALIDATION, "engine",
                                 "engine must be \"container\" or \"vm\"");
}

struct tag_taking {
    json_t *pairs; /* of tags[key]=value */
    json_t *words; /* of tags=a,b */
};

static void take_words(json_t *words, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, ",");
        if (length > 0) {
            json_array_append_new(words, json_stringn(text, length));
        }
        text += length;
        text += *text == ',';
    }
}

static void take_tag(const char *name, const char *value, void *context)
{
    struct tag_taking *taking = context;
    size_t length = strlen(name);
    if (strcmp(name, "tags") == 0 || strcmp(name, "tags[]") == 0) {
        take_words(taking->words, value);
    } else if (strncmp(name, "tags[", 5) == 0 && name[length - 1] == ']') {
        json_t *key = json_stringn(name + 5, length - 6);
        json_object_set_new(taking->pairs, json_string_value(key), json_string(value));
        json_decref(key);
    }
}

static int take_tags(const struct request *request, struct sandbox_filter *filter,
                     struct error *err)
{
    struct tag_taking taking = {json_object(), json_array()};
    request_each_query(request, take_tag, &taking);
    bool has_pairs = json_object_size(taking.pairs) > 0;
    bool has_words = json_array_size(taking.words) > 0;
    filter->tags = has_pairs   ? json_incref(taking.pairs)
                   : has_words ? json_incref(taking.words)
                               : NULL;
    json_decref(taking.pairs);
    json_decref(taking.words);
    if (has_pairs && has_words) {
        return error_set_field(err, ERR_VALIDATION, "tags",
                               "use either tags=a,b or tags[key]=value");
    }
    return 0;
}

static int take_page(const struct request *request, struct sandbox_filter *filter,
                     struct error *err)
{
    const char *limit = request_query(request, "limit") ? "limit" : "page_size";
    bool unused;
    const char *sort = request_query(request, "sort");
    if (sort && *sort && strcmp(sort, "created-desc") != 0 && strcmp(sort, "-created_at") != 0) {
        return error_set_field(err, ERR_VALIDATION, "sort",
                               "the only order is created-desc: newest first");
    }
    /* Sandboxes in error are always listed; the argument asks for what is so anyway. */
    if (request_query_bool(request, "include_errored", true, &unused, err) ||
        request_query_bool(request, "include_destroyed", false, &filter->include_destroyed, err)) {
        return -1;
    }
    if (request_query_int(request, "page", 1, PAGE_MAX, 1, &filter->page, err) ||
        request_query_int(request, limit, 1, LIMIT_MAX, LIMIT_DEFAULT, &filter->limit, err)) {
        return -1;
    }
    return 0;
}

static const char *text_filter(const struct request *request, const char *name)
{
    const char *value = request_query(request, name);
    return value && *value ? value : NULL;
}

void sandbox_list_handle(struct request *request)
{
    struct error err = {0};
    struct sandbox_filter filter = {
        .template_id = text_filter(request, "template_id"),
        .search = text_filter(request, "search"),
        .workspace_id = text_filter(request, "workspace_id"),
        .project_id = text_filter(request, "project_id"),
        .external_workspace_id = text_filter(request, "external_workspace_id"),
        .external_user_id = text_filter(request, "external_user_id"),
        .external_project_id = text_filter(request, "external_project_id"),
    };
    json_t *list = NULL;
    if (take_state(request, &filter, &err) || take_engine(request, &filter, &err) ||
        take_page(request, &filter, &err) || take_tags(request, &filter, &err) ||
        sandbox_list(api_of(request)->sandboxes, request_principal(request), &filter, &list,
                     &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 200, list);
    }
    json_decref(filter.tags);
}
