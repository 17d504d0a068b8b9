#include "cli/client.h"

#include "base/cleanup.h"
#include "base/ids.h"
#include "base/io.h"

#include <ctype.h>
#include <string.h>

int client_open(struct client *client, struct error *err)
{
    if (client_configure(client, err)) {
        return -1;
    }
    client->curl = curl_easy_init();
    return client->curl ? 0 : error_set(err, ERR_INTERNAL, ENOMEM, "HTTP client");
}

void client_close(struct client *client)
{
    if (client->curl) {
        curl_easy_cleanup(client->curl);
        client->curl = NULL;
    }
}

/* --- replies --------------------------------------------------------------------------------- */

json_t *reply_data(json_t *reply)
{
    json_t *data = json_object_get(reply, "data");
    return data ? data : reply;
}

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t json_number(const json_t *object, const char *key)
{
    return (int64_t)json_number_value(json_object_get(object, key));
}

/* An error code of the API is a row of our own table, or is told apart by its status alone. */
static enum error_code error_code_find(const char *api_code, long status)
{
    for (int code = ERR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        if (strcmp(error_api_code(code), api_code) == 0) {
            return code;
        }
    }
    return status == 404 ? ERR_NOT_FOUND : status >= 500 ? ERR_INTERNAL : ERR_BAD_REQUEST;
}

int client_status_error(long status, const char *body, size_t length, struct error *err)
{
    auto_json json_t *reply = json_loadb(body ? body : "", length, 0, NULL);
    const json_t *error = json_object_get(reply, "error");
    const char *message = json_text(error, "message");
    if (!*message) {
        error_set(err, error_code_find("", status), 0, "the server answered with status %ld",
                  status);
        return error_hint(err, "check that ATOLL_URL names an atoll server");
    }
    enum error_code code = error_code_find(json_text(error, "code"), status);
    const char *request_id = json_text(error, "request_id");
    if (status >= 500 && *request_id) {
        error_set(err, code, 0, "%s (request %s)", message, request_id);
    } else {
        error_set(err, code, 0, "%s", message);
    }
    const char *hint = json_text(json_object_get(error, "details"), "hint");
    return error_hint(err, "%s", hint);
}

int client_transfer_error(const struct client *client, CURLcode code, struct error *err)
{
    error_set(err, ERR_HOST_UNAVAILABLE, 0, "cannot reach %s: %s", client->url,
              curl_easy_strerror(code));
    err->errnum = ECONNREFUSED;
    return error_hint(err, "start the server with 'sudo scripts/up', or set ATOLL_URL");
}

/* --- one transfer ---------------------------------------------------------------------------- */

struct transfer {
    CURL *curl;
    int upload_fd;
    int download_fd;
    int io_errno; /* of the descriptors */
    struct buffer reply;
};

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    int failed = transfer->download_fd >= 0 && status < 400
                     ? write_all(transfer->download_fd, bytes, length)
                     : buffer_append(&transfer->reply, bytes, length);
    if (failed) {
        transfer->io_errno = errno;
        return 0;
    }
    return length;
}

static size_t supply(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    ssize_t length;
    do {
        length = read(transfer->upload_fd, bytes, size * count);
    } while (length < 0 && errno == EINTR);
    if (length < 0) {
        transfer->io_errno = errno;
        return CURL_READFUNC_ABORT;
    }
    return (size_t)length;
}

/* curl rewinds when a kept connection turned out to be closed. */
static int rewind_upload(void *context, curl_off_t offset, int origin)
{
    struct transfer *transfer = context;
    return lseek(transfer->upload_fd, offset, origin) < 0 ? CURL_SEEKFUNC_CANTSEEK
                                                          : CURL_SEEKFUNC_OK;
}

static struct curl_slist *header_add(struct curl_slist *list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(list, header);
    if (!longer) {
        curl_slist_free_all(list);
    }
    return longer;
}

int client_prepare(const struct client *client, CURL *curl, const char *path,
                   const char *content_type, struct curl_slist **ret_headers, struct error *err)
{
    char url[CLIENT_URL_MAX + 16 * 1024];
    char header[512];
    bool outside = strncmp(path, "//", 2) == 0;
    int used = snprintf(url, sizeof url, "%s%s%s", client->url, outside ? "" : "/api/v1",
                        outside ? path + 1 : path);
    if ((size_t)used >= sizeof url) {
        return error_set(err, ERR_VALIDATION, 0, "the path is too long");
    }
    snprintf(header, sizeof header, "Authorization: Bearer %s", client->key);
    struct curl_slist *headers = header_add(NULL, header);
    if (headers && content_type) {
        snprintf(header, sizeof header, "Content-Type: %s", content_type);
        headers = header_add(headers, header);
    }
    /* Without a request for permission, which would cost a round trip. */
    headers = headers ? header_add(headers, "Expect:") : NULL;
    if (!headers) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "request headers");
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "atoll/" ATOLL_VERSION);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    *ret_headers = headers;
    return 0;
}

static void set_upload(CURL *curl, const struct request *request, struct transfer *transfer)
{
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, supply);
    curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_upload);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->upload_bytes);
}

static void set_body(CURL *curl, const char *method, const char *text)
{
    if (text) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, text);
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
}

static int set_request(struct client *client, const struct request *request,
                       struct transfer *transfer, struct curl_slist **ret_headers,
                       struct error *err)
{
    CURL *curl = client->curl;
    auto_free char *text = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    const char *type = text                      ? "application/json"
                       : request->upload_fd >= 0 ? "application/octet-stream"
                                                 : NULL;
    curl_easy_reset(curl); /* keeps the connection */
    if (client_prepare(client, curl, request->path, type, ret_headers, err)) {
        return -1;
    }
    if (request->upload_fd >= 0) {
        set_upload(curl, request, transfer);
    } else {
        set_body(curl, request->method, text);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    return 0;
}

static int finish(struct client *client, CURLcode code, struct transfer *transfer,
                  json_t **ret_reply, struct error *err)
{
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    /* A server that refuses a body early answers and closes: its answer says more than the reset.
     */
    if (status >= 400) {
        return client_status_error(status, transfer->reply.data, transfer->reply.length, err);
    }
    if (transfer->io_errno) {
        return error_set(err, ERR_BAD_REQUEST, transfer->io_errno, "transfer");
    }
    if (code != CURLE_OK) {
        return client_transfer_error(client, code, err);
    }
    if (ret_reply) {
        *ret_reply = json_loadb(transfer->reply.data ? transfer->reply.data : "",
                                transfer->reply.length, JSON_ALLOW_NUL, NULL);
    }
    return 0;
}

int client_send(struct client *client, const struct request *request, json_t **ret_reply,
                struct error *err)
{
    struct transfer transfer = {
        .curl = client->curl,
        .upload_fd = request->upload_fd,
        .download_fd = request->download_fd,
        .reply = BUFFER_INIT(CLIENT_REPLY_MAX),
    };
    struct curl_slist *headers = NULL;
    int result = set_request(client, request, &transfer, &headers, err);
    if (result == 0) {
        CURLcode code = curl_easy_perform(client->curl);
        result = finish(client, code, &transfer, ret_reply, err);
    }
    curl_slist_free_all(headers);
    buffer_free(&transfer.reply);
    return result;
}

int client_call(struct client *client, const char *method, const char *path, const json_t *body,
                json_t **ret_reply, struct error *err)
{
    struct request request = {
        .method = method, .path = path, .body = body, .upload_fd = -1, .download_fd = -1};
    return client_send(client, &request, ret_reply, err);
}

/* --- names ----------------------------------------------------------------------------------- */

int url_escape(struct buffer *buffer, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool plain = isalnum(*at) || strchr("-._~", *at);
        if (plain ? buffer_append(buffer, at, 1) : buffer_printf(buffer, "%%%02X", *at)) {
            return -1;
        }
    }
    return 0;
}

int sandbox_resolve(struct client *client, const char *reference, char *id, size_t size,
                    struct error *err)
{
    if (id_valid("sbx_", reference)) {
        snprintf(id, size, "%s", reference);
        return 0;
    }
    auto_buffer struct buffer path = BUFFER_INIT(8 * 1024);
    if (buffer_printf(&path, "/sandboxes/by-name/") || url_escape(&path, reference)) {
        return error_set(err, ERR_VALIDATION, 0, "the name of the sandbox is too long");
    }
    auto_json json_t *reply = NULL;
    if (client_call(client, "GET", path.data, NULL, &reply, err)) {
        if (err->code == ERR_NOT_FOUND) {
            error_set(err, ERR_NOT_FOUND, 0, "there is no sandbox with the name or id '%s'",
                      reference);
            error_hint(err, "list them with 'atoll ls'");
        }
        return -1;
    }
    const char *found = json_text(reply_data(reply), "id");
    if (!id_valid("sbx_", found) || strlen(found) >= size) {
        return error_set(err, ERR_INTERNAL, 0, "the server's reply has no sandbox id");
    }
    snprintf(id, size, "%s", found);
    return 0;
}
