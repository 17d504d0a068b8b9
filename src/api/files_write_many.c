#include "api/files.h"

#include "api/body_fields.h"
#include "api/file_json.h"
#include "api/file_path.h"
#include "api/file_use.h"
#include "base/base64.h"
#include "base/cleanup.h"

#include <stdlib.h>

enum { FILES_MAX = 1000 };

/* One item's path, mode and content. */
struct item {
    char path[AGENT_PATH_MAX];
    int64_t mode;
    unsigned char *bytes;
    size_t length;
};

static int parse_item(const struct file_use *use, json_t *json, struct item *item,
                      struct error *err)
{
    static const char *const contents[] = {"content_base64", "content", NULL};
    const char *path, *mode, *content, *field = NULL;
    item->mode = -1;
    if (body_string(json, "path", &path, err) || body_string(json, "mode", &mode, err) ||
        body_string_any(json, contents, &content, &field, err) ||
        file_use_path(use, path, "path", item->path, err)) {
        return -1;
    }
    if (mode && file_mode_parse(mode, "mode", &item->mode, err)) {
        return -1;
    }
    if (!content) {
        return error_set_field(err, ERR_MISSING_PARAM, "content", "content_base64 is missing");
    }
    if (base64_decode_all(content, json_string_length(json_object_get(json, field)), &item->bytes,
                          &item->length)) {
        return error_set_field(err, ERR_VALIDATION, field, "%s is not base64", field);
    }
    return 0;
}

static int write_item(const struct file_use *use, const struct item *item, struct error *err)
{
    struct agent_stat stat;
    struct agent_call *call =
        agent_write_start(use->sandbox.agent_socket, item->path, item->mode, err);
    int failed = !call ||
                 (item->length > 0 && agent_write_data(call, item->bytes, item->length, err)) ||
                 agent_write_finish(call, &stat, err);
    agent_call_free(call);
    return failed ? file_use_failed(use, err) : 0;
}

/* The path as it was sent, for a file that could not be written. */
static json_t *failure(json_t *json, const struct error *err)
{
    json_t *path = json_object_get(json, "path");
    return json_pack("{s:O?,s:o,s:s}", "path", path, "error", file_path_json(err->message), "code",
                     error_api_code(err->code));
}

static void write_one(const struct file_use *use, json_t *json, json_t *written, json_t *failed)
{
    struct error err = {0};
    struct item *item = calloc(1, sizeof(*item));
    if (!item) {
        error_set(&err, ERR_INTERNAL, 0, "no memory for a file");
        json_array_append_new(failed, failure(json, &err));
        return;
    }
    if (parse_item(use, json, item, &err) || write_item(use, item, &err)) {
        json_array_append_new(failed, failure(json, &err));
    } else {
        json_array_append_new(written, json_pack("{s:o,s:I}", "path", file_path_json(item->path),
                                                 "size_bytes", (json_int_t)item->length));
    }
    free(item->bytes);
    free(item);
}

static int check_files(json_t *files, struct error *err)
{
    if (!files) {
        return error_set_field(err, ERR_MISSING_PARAM, "files", "files is missing");
    }
    if (!json_is_array(files) || json_array_size(files) == 0 ||
        json_array_size(files) > FILES_MAX) {
        return error_set_field(err, ERR_VALIDATION, "files",
                               "files must be an array of 1 to %d objects", FILES_MAX);
    }
    size_t i;
    json_t *file;
    json_array_foreach(files, i, file)
    {
        if (!json_is_object(file)) {
            return error_set_field(err, ERR_VALIDATION, "files", "files[%zu] must be an object", i);
        }
    }
    return 0;
}

void files_write_many_handle(struct request *request)
{
    struct error err = {0};
    auto_file_use struct file_use use = {0};
    json_t *files = body_member(request_json(request), "files");
    if (check_files(files, &err) || file_use_begin(&use, request, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *written = json_array(), *failed = json_array();
    size_t i;
    json_t *file;
    json_array_foreach(files, i, file)
    {
        write_one(&use, file, written, failed);
    }
    respond_json(request, 200, json_pack("{s:o,s:o}", "written", written, "failed", failed));
}
