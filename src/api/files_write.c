#include "api/files.h"

#include "api/file_json.h"
#include "api/multipart.h"
#include "api/upload.h"
#include "api/upload_json.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    JSON_SLACK_BYTES = 64 * 1024, /* the members beside the content */
    BASE64_PERCENT = 134,         /* four characters for three bytes */
    TEXT_PERCENT = 600,           /* \u00e9 is six for one */
    FORM_TEXT_SIZE = AGENT_PATH_MAX,
};

enum form_part { PART_OTHER, PART_PATH, PART_MODE, PART_FILE };

/* A write between its first byte and its answer. */
struct file_write {
    struct upload upload;
    struct upload_json *json;    /* or NULL */
    struct multipart *multipart; /* or NULL; neither: the body is the file */
    enum form_part part;
    bool seen_file;
    char text[FORM_TEXT_SIZE]; /* of the form's path or mode */
    size_t text_length;
};

static void write_free(void *state)
{
    struct file_write *write = state;
    upload_json_free(write->json);
    multipart_free(write->multipart);
    upload_end(&write->upload);
    free(write);
}

/* The request owns what is returned. */
static struct file_write *write_new(struct request *request, struct error *err)
{
    struct file_write *write = calloc(1, sizeof(*write));
    if (!write) {
        error_set(err, ERR_INTERNAL, 0, "no memory for an upload");
        return NULL;
    }
    int failed = upload_begin(&write->upload, request, err);
    request_set_state(request, write, write_free);
    return failed ? NULL : write;
}

/* --- JSON --- */

static int json_path(void *context, const char *text, struct error *err)
{
    struct file_write *write = context;
    return upload_set_path(&write->upload, text, err);
}

static int json_mode(void *context, const char *text, struct error *err)
{
    struct file_write *write = context;
    return upload_set_mode(&write->upload, text, err);
}

static int json_content(void *context, const void *bytes, size_t length, struct error *err)
{
    struct file_write *write = context;
    return upload_data(&write->upload, bytes, length, err);
}

static int begin_json(struct request *request, bool plain, struct error *err)
{
    if (upload_check_length(request, plain ? TEXT_PERCENT : BASE64_PERCENT, JSON_SLACK_BYTES,
                            err)) {
        return -1;
    }
    struct file_write *write = write_new(request, err);
    if (!write) {
        return -1;
    }
    struct upload_json_handler handler = {json_path, json_mode, json_content, write};
    write->json = upload_json_new(plain, handler);
    return write->json ? 0 : error_set(err, ERR_INTERNAL, 0, "no memory for an upload");
}

int files_write_json_begin(struct request *request, struct error *err)
{
    return begin_json(request, false, err);
}

int files_write_text_begin(struct request *request, struct error *err)
{
    return begin_json(request, true, err);
}

/* --- multipart/form-data --- */

static int form_part(void *context, const char *name, struct error *err)
{
    struct file_write *write = context;
    write->text_length = 0;
    write->part = PART_OTHER;
    if (strcmp(name, "path") == 0) {
        write->part = PART_PATH;
    } else if (strcmp(name, "mode") == 0) {
        write->part = PART_MODE;
    } else if (strcmp(name, "file") == 0) {
        write->part = PART_FILE;
        if (write->seen_file) {
            return error_set_field(err, ERR_VALIDATION, "file", "file comes twice");
        }
        write->seen_file = true;
    }
    return 0;
}

static int form_data(void *context, const void *bytes, size_t length, struct error *err)
{
    struct file_write *write = context;
    if (write->part == PART_FILE) {
        return upload_data(&write->upload, bytes, length, err);
    }
    if (write->part == PART_OTHER) {
        return 0;
    }
    const char *field = write->part == PART_PATH ? "path" : "mode";
    if (length >= sizeof(write->text) - write->text_length || memchr(bytes, '\0', length)) {
        return error_set_field(err, ERR_VALIDATION, field, "%s is too long or holds a NUL", field);
    }
    memcpy(write->text + write->text_length, bytes, length);
    write->text_length += length;
    return 0;
}

static int form_part_end(void *context, struct error *err)
{
    struct file_write *write = context;
    write->text[write->text_length] = '\0';
    if (write->part == PART_PATH) {
        return upload_set_path(&write->upload, write->text, err);
    }
    return write->part == PART_MODE ? upload_set_mode(&write->upload, write->text, err) : 0;
}

static int begin_form(struct request *request, const char *content_type, struct error *err)
{
    if (upload_check_length(request, 100, JSON_SLACK_BYTES, err)) {
        return -1;
    }
    struct file_write *write = write_new(request, err);
    if (!write) {
        return -1;
    }
    struct multipart_handler handler = {form_part, form_data, form_part_end, write};
    write->multipart = multipart_new(content_type, handler, err);
    return write->multipart ? 0 : -1;
}

/* --- raw --- */

/* from_url: the path is the rest of the URL; otherwise the query says it. */
static int begin_raw(struct request *request, bool from_url, struct error *err)
{
    if (upload_check_length(request, 100, 0, err)) {
        return -1;
    }
    struct file_write *write = write_new(request, err);
    if (!write ||
        file_use_request_path(&write->upload.use, request, from_url, write->upload.path, err)) {
        return -1;
    }
    const char *mode = request_query(request, "mode");
    return mode ? upload_set_mode(&write->upload, mode, err) : 0;
}

int files_write_raw_begin(struct request *request, struct error *err)
{
    return begin_raw(request, false, err);
}

int files_write_url_begin(struct request *request, struct error *err)
{
    return begin_raw(request, true, err);
}

/* --- all of them --- */

static bool has_type(const char *content_type, const char *type)
{
    size_t length = strlen(type);
    return strncasecmp(content_type, type, length) == 0 &&
           (content_type[length] == '\0' || strchr("; \t", content_type[length]));
}

int files_write_begin(struct request *request, struct error *err)
{
    const char *type = request_header(request, "Content-Type");
    /* curl -d says that a body is a form when it is told nothing */
    if (!type || has_type(type, "application/json") ||
        has_type(type, "application/x-www-form-urlencoded")) {
        return begin_json(request, false, err);
    }
    if (has_type(type, "multipart/form-data")) {
        return begin_form(request, type, err);
    }
    if (request_query(request, "path")) {
        return begin_raw(request, false, err);
    }
    error_set(err, ERR_UNSUPPORTED_MEDIA, 0, "a file cannot be sent as this Content-Type here");
    return error_hint(err, "Use application/json, multipart/form-data, or raw bytes with ?path=.");
}

int files_write_data(struct request *request, const void *bytes, size_t length, struct error *err)
{
    struct file_write *write = request_state(request);
    if (write->json) {
        return upload_json_push(write->json, bytes, length, err);
    }
    if (write->multipart) {
        return multipart_push(write->multipart, bytes, length, err);
    }
    return upload_data(&write->upload, bytes, length, err);
}

static int finish(struct file_write *write, struct agent_stat *ret_stat, struct error *err)
{
    if (write->json && upload_json_finish(write->json, err)) {
        return -1;
    }
    if (write->multipart && multipart_finish(write->multipart, err)) {
        return -1;
    }
    if (write->multipart && !write->seen_file) {
        return error_set_field(err, ERR_MISSING_PARAM, "file", "file is missing");
    }
    return upload_finish(&write->upload, ret_stat, err);
}

/* False when the request was answered with an error. */
static bool finish_or_refuse(struct request *request, struct file_write *write,
                             struct agent_stat *ret_stat)
{
    struct error err = {0};
    if (finish(write, ret_stat, &err)) {
        respond_error(request, &err);
        return false;
    }
    return true;
}

void files_write_handle(struct request *request)
{
    struct file_write *write = request_state(request);
    struct agent_stat stat;
    if (!finish_or_refuse(request, write, &stat)) {
        return;
    }
    char mode[FILE_MODE_TEXT_SIZE];
    respond_json(request, 200,
                 json_pack("{s:{s:s,s:o,s:I,s:I,s:s}}", "data", "sandbox_id",
                           write->upload.use.sandbox.id, "path", file_path_json(write->upload.path),
                           "size", (json_int_t)write->upload.size, "size_bytes",
                           (json_int_t)write->upload.size, "mode",
                           file_mode_text(stat.mode, mode)));
}

void fs_write_handle(struct request *request)
{
    struct file_write *write = request_state(request);
    struct agent_stat stat;
    if (!finish_or_refuse(request, write, &stat)) {
        return;
    }
    char mode[FILE_MODE_TEXT_SIZE];
    respond_json(
        request, 201,
        json_pack("{s:b,s:o,s:I,s:s}", "success", 1, "path", file_path_json(write->upload.path),
                  "size", (json_int_t)write->upload.size, "mode", file_mode_text(stat.mode, mode)));
}
