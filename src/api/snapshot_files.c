/* A snapshot's files: directories as JSON, files as they are, folders as archives. */
#include "api/file_json.h"
#include "api/file_path.h"
#include "api/files.h"
#include "api/snapshot_look.h"
#include "api/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const int64_t file_bytes_max = INT64_C(2) << 30;

/* --- a directory --- */

static bool add_entry(const struct agent_stat *entry, void *context)
{
    char mode[FILE_MODE_TEXT_SIZE];
    json_t *json =
        json_pack("{s:o, s:o, s:s, s:I, s:s}", "name", file_path_json(file_path_name(entry->path)),
                  "path", file_path_json(entry->path), "type", file_type_name(entry->type), "size",
                  (json_int_t)entry->size, "mode", file_mode_text(entry->mode, mode));
    if (json && entry->type == AGENT_FILE_SYMLINK) {
        json_object_set_new(json, "symlink_target", file_path_json(entry->link_target));
    }
    return json && json_array_append_new(context, json) == 0;
}

static int list(struct snapshot_look *look, json_t *entries, bool *ret_truncated, struct error *err)
{
    *ret_truncated = false;
    if (snapshot_look_is_of_run(look->path)) {
        return 0;
    }
    if (agent_list(look->view.agent_socket, look->path, 1, AGENT_LIST_LIMIT_MAX, add_entry, entries,
                   ret_truncated, err)) {
        return snapshot_look_failed(look, err);
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    return strcmp(json_string_value(json_object_get(left, "name")),
                  json_string_value(json_object_get(right, "name")));
}

/* Takes entries; in order of their names. NULL without memory. */
static json_t *sorted(json_t *entries)
{
    size_t count = json_array_size(entries);
    json_t **order = calloc(count + 1, sizeof(json_t *));
    json_t *result = json_array();
    for (size_t i = 0; order && i < count; i++) {
        order[i] = json_array_get(entries, i);
    }
    if (order && result) {
        qsort(order, count, sizeof(json_t *), compare_names);
        for (size_t i = 0; i < count; i++) {
            json_array_append(result, order[i]);
        }
    }
    free(order);
    json_decref(entries);
    return result;
}

void snapshot_tree_handle(struct request *request)
{
    auto_snapshot_look struct snapshot_look look = {0};
    struct error err = {0};
    json_t *entries = json_array();
    bool truncated = false;
    int result = snapshot_look_begin(&look, request, &err);
    if (result > 0 && list(&look, entries, &truncated, &err) < 0) {
        result = -1;
    }
    if (result > 0) {
        respond_json(request, 200,
                     json_pack("{s:{s:o, s:o, s:b}}", "data", "path", file_path_json(look.path),
                               "entries", sorted(entries), "truncated", truncated));
        return;
    }
    json_decref(entries);
    if (result == 0) {
        snapshot_look_respond_warming(request);
    } else {
        respond_error(request, &err);
    }
}

/* --- a file --- */

struct sent_file {
    struct snapshot_look look;
    struct agent_call *call;
    int64_t left;
};

static void sent_free(void *context)
{
    struct sent_file *sent = context;
    agent_call_free(sent->call);
    snapshot_look_end(&sent->look);
    free(sent);
}

static ssize_t sent_read(void *context, char *bytes, size_t max)
{
    struct sent_file *sent = context;
    struct error err = {0};
    if (sent->left == 0) {
        return 0;
    }
    size_t step = (int64_t)max < sent->left ? max : (size_t)sent->left;
    int64_t got = agent_read_data(sent->call, bytes, step, &err);
    if (got <= 0) {
        return snapshot_look_failed(&sent->look, &err);
    }
    sent->left -= got;
    return (ssize_t)got;
}

/* Takes look, unless it returns NULL with err. */
static struct sent_file *open_file(struct snapshot_look *look, const struct agent_stat *stat,
                                   struct error *err)
{
    struct agent_stat opened;
    if (stat->size > file_bytes_max) {
        error_set_field(err, ERR_TOO_LARGE, "path", "%s is larger than 2 GiB", look->path);
        return NULL;
    }
    struct sent_file *sent = calloc(1, sizeof(*sent));
    if (!sent) {
        error_set(err, ERR_INTERNAL, ENOMEM, "send a file");
        return NULL;
    }
    sent->call = agent_read_start(look->view.agent_socket, look->path, 0, -1, &opened, err);
    if (!sent->call) {
        snapshot_look_failed(look, err);
        free(sent);
        return NULL;
    }
    sent->left = opened.size;
    sent->look = *look;
    *look = (struct snapshot_look){0};
    return sent;
}

/* Takes look when it returns 0. */
static int respond_file(struct request *request, struct snapshot_look *look,
                        const struct agent_stat *stat, struct error *err)
{
    struct sent_file *sent = open_file(look, stat, err);
    if (!sent) {
        return -1;
    }
    files_add_disposition(request, file_path_name(sent->look.path));
    struct respond_source source = {sent_read, sent_free, sent};
    respond_stream(request, 200, "application/octet-stream", sent->left, source);
    return 0;
}

/* --- a folder --- */

static int respond_folder(struct request *request, struct snapshot_look *look,
                          struct agent_stat *stat, struct error *err)
{
    struct snapshot_walk walk = {0};
    /* by the way that was asked for, also when it leads over a symlink */
    memcpy(stat->path, look->path, sizeof(stat->path));
    if (snapshot_walk(look, stat, &walk, err) < 0) {
        snapshot_walk_free(&walk);
        return -1;
    }
    snapshot_archive_respond(request, look, &walk);
    return 0;
}

static int respond_path(struct request *request, struct snapshot_look *look, struct error *err)
{
    struct agent_stat stat;
    if (agent_stat(look->view.agent_socket, look->path, true, &stat, err)) {
        return snapshot_look_failed(look, err);
    }
    switch (stat.type) {
    case AGENT_FILE_DIRECTORY:
        return respond_folder(request, look, &stat, err);
    case AGENT_FILE_REGULAR:
        return respond_file(request, look, &stat, err);
    default:
        return error_set_field(err, ERR_VALIDATION, "path", "%s is neither a file nor a folder",
                               look->path);
    }
}

void snapshot_files_handle(struct request *request)
{
    auto_snapshot_look struct snapshot_look look = {0};
    struct error err = {0};
    int result = snapshot_look_begin(&look, request, &err);
    if (result > 0) {
        result = respond_path(request, &look, &err) < 0 ? -1 : 1;
    }
    if (result == 0) {
        snapshot_look_respond_warming(request);
    } else if (result < 0) {
        respond_error(request, &err);
    }
}
