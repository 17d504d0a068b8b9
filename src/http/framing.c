/*
 * Where a request ends: heads that another HTTP parser in front of us could read differently are refused
 * and their connection is closed. libmicrohttpd has parsed the head already; this judges what it saw.
 */
#include "http/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct head {
    struct request *request;
    size_t header_count, length_count, encoding_count, host_count, authorization_count;
    const char *length, *encoding, *expect;
    const char *problem; /* a sentence, or NULL */
};

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!isalnum(c) && (c == '\0' || c > 0x7e || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return length > 0;
}

static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static void count_header(struct head *head, const char *name, const char *value)
{
    if (strcasecmp(name, "content-length") == 0) {
        head->length_count++;
        head->length = value;
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        head->encoding_count++;
        head->encoding = value;
    } else if (strcasecmp(name, "host") == 0) {
        head->host_count++;
    } else if (strcasecmp(name, "authorization") == 0) {
        head->authorization_count++;
    } else if (strcasecmp(name, "expect") == 0) {
        head->expect = value;
    }
}

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name,
                               size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    struct head *head = context;
    head->header_count++;
    if (!is_token(name, name_length)) {
        head->problem = "a header's name is malformed";
    } else if (!value || has_control(value, value_length)) {
        head->problem = "a header's value has a control character";
    }
    count_header(head, name, value ? value : "");
    return MHD_YES;
}

/*
 * Does the head consist of lines "name: value" CR LF and an empty one, and of nothing else? The library is
 * lenient: it takes a bare LF or a NUL for a line's end, ": x" for the head's end, and folded lines for
 * something else again. Its series 0.9 cuts the head in place, leaving NULs where a colon, CR and LF were,
 * so that what it was made from can still be seen between the version and end.
 */
static bool is_sound(const char *version, const char *end)
{
    const char *line = version + strlen(version) + 2;
    while (line + 2 <= end) {
        size_t name_length = strnlen(line, (size_t)(end - line));
        if (name_length == 0) {
            return line + 2 == end && line[1] == '\0';
        }
        const char *value = line + name_length + 1;
        if (!is_token(line, name_length) || value >= end) {
            return false;
        }
        size_t value_length = strnlen(value, (size_t)(end - value));
        line = value + value_length + 2;
        if (line > end || line[-1] != '\0') {
            return false;
        }
    }
    return false;
}

static int check_length(struct head *head, struct error *err)
{
    struct request *request = head->request;
    request->content_length = 0;
    if (head->encoding_count + head->length_count > 1) {
        return error_set(err, ERR_LENGTH, 0,
                         "the request has more than one Content-Length or Transfer-Encoding");
    }
    if (head->encoding_count > 0) {
        request->content_length = -1;
        return strcasecmp(head->encoding, "chunked") == 0
                   ? 0
                   : error_set(err, ERR_LENGTH, 0,
                               "the only Transfer-Encoding that is understood is 'chunked'");
    }
    if (head->length_count > 0) {
        size_t digits = strspn(head->length, "0123456789");
        if (digits == 0 || digits > 18 || head->length[digits] != '\0') {
            return error_set(err, ERR_LENGTH, 0, "Content-Length is not a number");
        }
        request->content_length = strtoll(head->length, NULL, 10);
    }
    return 0;
}

static int check_headers(struct head *head, const char *version, const char *end, struct error *err)
{
    bool is_http11 = strcmp(version, "HTTP/1.1") == 0;
    if (head->problem) {
        return error_set(err, ERR_LENGTH, 0, "%s", head->problem);
    }
    if (strncmp(MHD_get_version(), "0.9.", 4) == 0 && !is_sound(version, end)) {
        return error_set(
            err, ERR_LENGTH, 0,
            "a header line has no name, is folded, has a NUL or does not end in CR LF");
    }
    if (!is_http11 && strcmp(version, "HTTP/1.0") != 0) {
        return error_set(err, ERR_LENGTH, 0, "the request is not HTTP/1.1");
    }
    if (!is_http11 && head->encoding_count > 0) {
        return error_set(err, ERR_LENGTH, 0, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (head->host_count > 1 || head->authorization_count > 1) {
        return error_set(err, ERR_LENGTH, 0, "the request has more than one Host or Authorization");
    }
    if (is_http11 && head->host_count == 0) {
        return error_set(err, ERR_LENGTH, 0, "the request has no Host header");
    }
    if (head->expect && strcasecmp(head->expect, "100-continue") != 0) {
        return error_set(err, ERR_LENGTH, 0, "Expect can only be 100-continue");
    }
    return 0;
}

char framing_bad_target[1];

void *framing_check_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    (void)context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    library_errors_follow(info ? info->socket_context : NULL, NULL);
    size_t length = strlen(target);
    /* Behind the target's end comes the version, unless that end is a NUL that the client sent. */
    bool is_whole = strncmp(target + length + 1, "HTTP/", 5) == 0;
    bool is_clean = !has_control(target, length) && !strchr(target, ' ');
    return is_whole && is_clean ? NULL : framing_bad_target;
}

int framing_check(struct request *request, const char *method, const char *path,
                  const char *version, struct error *err)
{
    struct head head = {.request = request};
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, look_at, &head);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t size = info ? info->header_size : 0;

    if (check_length(&head, err) || check_headers(&head, version, method + size, err)) {
        return -1;
    }
    request->expects_continue = head.expect;
    if (strlen(method) >= sizeof(request->method) || !is_token(method, strlen(method))) {
        return error_set(err, ERR_LENGTH, 0, "the method is malformed");
    }
    if (request->has_bad_target) {
        return error_set(err, ERR_LENGTH, 0,
                         "the request line has a space, NUL or control "
                         "character too many");
    }
    if (strlen(path) > URI_MAX) {
        error_set_field(err, ERR_URI_TOO_LONG, "path", "the path is longer than %d bytes", URI_MAX);
        return -1;
    }
    if (size > HEAD_MAX || head.header_count > HEADERS_MAX) {
        return error_set(err, ERR_HEADERS_TOO_LARGE, 0,
                         "the head has %zu bytes in %zu headers; at most %d in %d are taken", size,
                         head.header_count, HEAD_MAX, HEADERS_MAX);
    }
    return 0;
}
