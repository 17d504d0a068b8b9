#include "api/files.h"

#include "api/byte_range.h"
#include "api/file_json.h"
#include "api/file_path.h"
#include "api/file_use.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TEXT_MAX_BYTES = 10 * 1024 * 1024, /* of a file that is sent inside of JSON */
    HTTP_DATE_SIZE = 40,
    ETAG_SIZE = 48,
};

/* A file on its way out. */
struct download {
    struct file_use use;
    struct agent_call *call; /* NULL for HEAD */
    struct agent_stat stat;
    int64_t offset, length;
    char path[AGENT_PATH_MAX];
};

static void download_free(void *context)
{
    struct download *download = context;
    agent_call_free(download->call);
    file_use_end(&download->use);
    free(download);
}

static ssize_t download_read(void *context, char *bytes, size_t max)
{
    struct download *download = context;
    struct error err = {0};
    if (download->length == 0) {
        return 0;
    }
    size_t step = (int64_t)max < download->length ? max : (size_t)download->length;
    int64_t got = download->call ? agent_read_data(download->call, bytes, step, &err) : -1;
    /* a file that became shorter cannot fill the length that was announced */
    if (got <= 0) {
        return -1;
    }
    download->length -= got;
    return (ssize_t)got;
}

/* --- headers --- */

static char *etag_text(const struct agent_stat *stat, char text[ETAG_SIZE])
{
    snprintf(text, ETAG_SIZE, "\"%" PRIx64 "-%" PRIx64 "\"", stat->size, stat->modified_ms);
    return text;
}

static void add_last_modified(struct request *request, const struct agent_stat *stat)
{
    char text[HTTP_DATE_SIZE];
    time_t seconds = (time_t)(stat->modified_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc) > 0) {
        respond_header(request, "Last-Modified", text);
    }
}

void files_add_disposition(struct request *request, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    char text[1024] = "attachment; filename*=UTF-8''";
    size_t length = strlen(text);
    for (const char *c = name; *c && length + 4 < sizeof(text); c++) {
        bool is_plain = strchr(plain, *c) != NULL;
        length += (size_t)snprintf(text + length, sizeof(text) - length, is_plain ? "%c" : "%%%02X",
                                   (unsigned char)*c);
    }
    respond_header(request, "Content-Disposition", text);
}

static void add_headers(struct request *request, const struct download *download)
{
    char etag[ETAG_SIZE];
    respond_header(request, "Accept-Ranges", "bytes");
    respond_header(request, "ETag", etag_text(&download->stat, etag));
    add_last_modified(request, &download->stat);
}

/* --- which part --- */

/* A range counts only for the file that the client has seen. */
static const char *range_header(struct request *request, const struct agent_stat *stat)
{
    char etag[ETAG_SIZE];
    const char *range = request_header(request, "Range");
    const char *condition = request_header(request, "If-Range");
    if (range && condition && strcmp(condition, etag_text(stat, etag)) != 0) {
        return NULL;
    }
    return range;
}

/* Fills offset and length; *ret_status 200 or 206. */
static int choose_part(struct request *request, struct download *download, int *ret_status,
                       struct error *err)
{
    int64_t size = download->stat.size;
    char text[80];
    *ret_status = 200;
    download->length = size;
    switch (byte_range_parse(range_header(request, &download->stat), size, &download->offset,
                             &download->length)) {
    case BYTE_RANGE_WHOLE:
        break;
    case BYTE_RANGE_PART:
        *ret_status = 206;
        snprintf(text, sizeof(text), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, download->offset,
                 download->offset + download->length - 1, size);
        respond_header(request, "Content-Range", text);
        break;
    case BYTE_RANGE_UNREACHABLE:
        snprintf(text, sizeof(text), "bytes */%" PRId64, size);
        respond_header(request, "Content-Range", text);
        return error_set_field(err, ERR_RANGE, "Range", "the file has %" PRId64 " bytes", size);
    }
    return 0;
}

/* --- the whole --- */

static bool is_head(const struct request *request)
{
    return strcmp(request_method(request), "HEAD") == 0;
}

static int look_at(struct download *download, struct error *err)
{
    if (agent_stat(download->use.sandbox.agent_socket, download->path, true, &download->stat,
                   err)) {
        return file_use_failed(&download->use, err);
    }
    if (download->stat.type == AGENT_FILE_DIRECTORY) {
        return error_set_field(err, ERR_IS_DIRECTORY, "path", "%s is a directory", download->path);
    }
    return 0;
}

static int start_reading(struct download *download, int64_t offset, int64_t length,
                         struct error *err)
{
    download->call = agent_read_start(download->use.sandbox.agent_socket, download->path, offset,
                                      length, &download->stat, err);
    return download->call ? 0 : file_use_failed(&download->use, err);
}

/* A whole file costs one question to the agent; a part needs the size first. */
static int open_download(struct request *request, struct download *download, bool from_url,
                         int *ret_status, struct error *err)
{
    if (file_use_begin(&download->use, request, err) ||
        file_use_request_path(&download->use, request, from_url, download->path, err)) {
        return -1;
    }
    bool whole = !is_head(request) && !request_header(request, "Range");
    if (whole ? start_reading(download, 0, -1, err) : look_at(download, err)) {
        return -1;
    }
    if (choose_part(request, download, ret_status, err)) {
        return -1;
    }
    if (!whole && !is_head(request)) {
        return start_reading(download, download->offset, download->length, err);
    }
    return 0;
}

static void respond_download(struct request *request, bool from_url, bool attachment,
                             const char *content_type)
{
    struct error err = {0};
    int status;
    struct download *download = calloc(1, sizeof(*download));
    if (!download) {
        error_set(&err, ERR_INTERNAL, 0, "no memory for a download");
        respond_error(request, &err);
        return;
    }
    if (open_download(request, download, from_url, &status, &err)) {
        download_free(download);
        respond_error(request, &err);
        return;
    }
    add_headers(request, download);
    if (attachment) {
        files_add_disposition(request, file_path_name(download->path));
    }
    struct respond_source source = {download_read, download_free, download};
    respond_stream(request, status, content_type, download->length, source);
}

void files_download_handle(struct request *request)
{
    respond_download(request, true, true, "application/octet-stream");
}

void fs_download_handle(struct request *request)
{
    respond_download(request, false, true, "application/octet-stream");
}

void files_read_handle(struct request *request)
{
    respond_download(request, false, false, "text/plain; charset=utf-8");
}

/* --- text in JSON --- */

static int read_all_of(struct download *download, char *bytes, struct error *err)
{
    int64_t done = 0;
    while (done < download->stat.size) {
        int64_t got = agent_read_data(download->call, bytes + done,
                                      (size_t)(download->stat.size - done), err);
        if (got < 0) {
            return file_use_failed(&download->use, err);
        }
        if (got == 0) {
            break;
        }
        done += got;
    }
    download->length = done;
    return 0;
}

static int not_text(const struct download *download, const char *why, enum error_code code,
                    struct error *err)
{
    error_set_field(err, code, "path", "%s %s", download->path, why);
    return error_hint(err, "Read it raw: GET /sandboxes/{id}/fs/download?path=…");
}

static int read_text(struct request *request, struct download *download, json_t **ret_text,
                     struct error *err)
{
    if (file_use_begin(&download->use, request, err) ||
        file_use_request_path(&download->use, request, false, download->path, err) ||
        start_reading(download, 0, -1, err)) {
        return -1;
    }
    if (download->stat.size > TEXT_MAX_BYTES) {
        return not_text(download, "is larger than 10 MiB", ERR_TOO_LARGE, err);
    }
    char *bytes = malloc((size_t)download->stat.size + 1);
    if (!bytes) {
        return error_set(err, ERR_INTERNAL, 0, "no memory for a file");
    }
    int result = read_all_of(download, bytes, err);
    if (result == 0 && !utf8_valid(bytes, (size_t)download->length)) {
        result = not_text(download, "is not UTF-8 text", ERR_VALIDATION, err);
    }
    if (result == 0) {
        *ret_text = json_stringn_nocheck(bytes, (size_t)download->length);
    }
    free(bytes);
    return result;
}

void fs_read_handle(struct request *request)
{
    struct error err = {0};
    json_t *text = NULL;
    struct download *download = calloc(1, sizeof(*download));
    if (!download) {
        error_set(&err, ERR_INTERNAL, 0, "no memory for a file");
        respond_error(request, &err);
        return;
    }
    if (read_text(request, download, &text, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(
            request, 200,
            json_pack("{s:o,s:o}", "path", file_path_json(download->path), "content", text));
    }
    download_free(download);
}
