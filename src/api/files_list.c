#include "api/files.h"

#include "api/file_json.h"
#include "api/file_path.h"
#include "api/file_use.h"

#include <stdlib.h>
#include <string.h>

enum { TREE_DEPTH_DEFAULT = 3 };

/* One entry, as JSON, since a struct agent_stat of each would be large. */
struct entry {
    json_t *json;
    const char *path; /* borrowed from json */
};

struct listing {
    char path[AGENT_PATH_MAX];
    struct entry *entries;
    size_t count, capacity;
    bool truncated;
    bool no_memory;
};

static void listing_free(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        json_decref(listing->entries[i].json);
    }
    free(listing->entries);
    listing->entries = NULL;
    listing->count = 0;
}

static const char *path_of(const json_t *node)
{
    return json_string_value(json_object_get(node, "path"));
}

static bool add_entry(const struct agent_stat *entry, void *context)
{
    struct listing *listing = context;
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity ? listing->capacity * 2 : 64;
        struct entry *entries = realloc(listing->entries, capacity * sizeof(*entries));
        if (!entries) {
            listing->no_memory = true;
            return false;
        }
        listing->entries = entries;
        listing->capacity = capacity;
    }
    json_t *json = file_json(entry);
    listing->no_memory |= !json;
    if (json) {
        listing->entries[listing->count++] = (struct entry){json, path_of(json)};
    }
    return json != NULL;
}

/* Names in order, the slash before all other characters: parents stay before their children. */
static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int left = *a == '/' ? 1 : (unsigned char)*a + (*a ? 1 : 0);
    int right = *b == '/' ? 1 : (unsigned char)*b + (*b ? 1 : 0);
    return left - right;
}

static int compare_entries(const void *a, const void *b)
{
    return compare_paths(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static int fill_listing(struct request *request, int default_depth, struct listing *listing,
                        struct error *err)
{
    auto_file_use struct file_use use = {0};
    const char *path = request_query(request, "path");
    int64_t depth, limit;
    if (request_query_int(request, "depth", 1, AGENT_LIST_DEPTH_MAX, default_depth, &depth, err) ||
        request_query_int(request, "limit", 1, AGENT_LIST_LIMIT_MAX, AGENT_LIST_LIMIT_MAX, &limit,
                          err) ||
        file_use_begin(&use, request, err) ||
        file_use_path(&use, path ? path : ".", "path", listing->path, err)) {
        return -1;
    }
    if (agent_list(use.sandbox.agent_socket, listing->path, (int)depth, (int)limit, add_entry,
                   listing, &listing->truncated, err)) {
        return file_use_failed(&use, err);
    }
    if (listing->no_memory) {
        return error_set(err, ERR_INTERNAL, 0, "no memory for a directory");
    }
    if (listing->count > 0) {
        qsort(listing->entries, listing->count, sizeof(*listing->entries), compare_entries);
    }
    return 0;
}

static json_t *entries_json(const struct listing *listing)
{
    json_t *array = json_array();
    for (size_t i = 0; i < listing->count; i++) {
        json_array_append(array, listing->entries[i].json);
    }
    return array;
}

/* Answers with make's JSON, or the error. */
static void respond_listing(struct request *request, int default_depth,
                            json_t *(*make)(const struct listing *listing))
{
    struct error err = {0};
    struct listing *listing = calloc(1, sizeof(*listing));
    if (!listing) {
        error_set(&err, ERR_INTERNAL, 0, "no memory for a directory");
        respond_error(request, &err);
        return;
    }
    if (fill_listing(request, default_depth, listing, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 200, make(listing));
    }
    listing_free(listing);
    free(listing);
}

static json_t *list_reply(const struct listing *listing)
{
    return json_pack("{s:{s:o,s:o,s:b}}", "data", "path", file_path_json(listing->path), "entries",
                     entries_json(listing), "truncated", listing->truncated);
}

static json_t *fs_reply(const struct listing *listing)
{
    return json_pack("{s:o,s:o,s:b}", "path", file_path_json(listing->path), "files",
                     entries_json(listing), "truncated", listing->truncated);
}

/* --- as a tree --- */

static json_t *tree_node(json_t *entry, bool is_dir)
{
    json_t *node = json_pack("{s:O,s:O,s:s}", "path", json_object_get(entry, "path"), "name",
                             json_object_get(entry, "name"), "type",
                             is_dir ? "dir" : json_string_value(json_object_get(entry, "type")));
    json_object_set(node, "size", json_object_get(entry, "size"));
    json_object_set(node, "modified_at", json_object_get(entry, "modified_at"));
    if (is_dir) {
        json_object_set_new(node, "children", json_array());
    }
    return node;
}

static bool lies_in(const char *path, const char *directory)
{
    size_t length = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* Entries come parents first: open[] holds the directories that the current entry lies in. */
static json_t *tree_reply(const struct listing *listing)
{
    json_t *open[AGENT_LIST_DEPTH_MAX + 1];
    json_t *root = json_pack("{s:o,s:o,s:s,s:[],s:b}", "path", file_path_json(listing->path),
                             "name", file_path_json(file_path_name(listing->path)), "type", "dir",
                             "children", "truncated", listing->truncated);
    int depth = 0;
    open[0] = root;
    for (size_t i = 0; root && i < listing->count; i++) {
        json_t *entry = listing->entries[i].json;
        bool is_dir = json_is_true(json_object_get(entry, "is_dir"));
        while (depth > 0 && !lies_in(listing->entries[i].path, path_of(open[depth]))) {
            depth--;
        }
        json_t *node = tree_node(entry, is_dir);
        json_array_append_new(json_object_get(open[depth], "children"), node);
        if (is_dir && depth < AGENT_LIST_DEPTH_MAX) {
            open[++depth] = node;
        }
    }
    return root;
}

/* The node itself, and again as "data": clients expect either. */
static json_t *tree_superset(const struct listing *listing)
{
    json_t *root = tree_reply(listing);
    json_t *reply = json_copy(root);
    json_object_set_new(reply, "data", root);
    return reply;
}

void files_list_handle(struct request *request)
{
    respond_listing(request, 1, list_reply);
}

void fs_list_handle(struct request *request)
{
    respond_listing(request, 1, fs_reply);
}

void files_tree_handle(struct request *request)
{
    respond_listing(request, TREE_DEPTH_DEFAULT, tree_superset);
}
