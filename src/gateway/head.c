#include "gateway/head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

ssize_t head_length(const char *data, size_t length, size_t *at)
{
    const char *newline;
    while (*at < length && (newline = memchr(data + *at, '\n', length - *at))) {
        size_t line_length = (size_t)(newline - (data + *at));
        if (line_length == 0 || newline[-1] != '\r') {
            return -1;
        }
        *at = (size_t)(newline + 1 - data);
        if (line_length == 1) {
            return (ssize_t)*at;
        }
    }
    return 0;
}

/* tchar of RFC 9110 */
static const bool token_characters[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!token_characters[(unsigned char)text.data[i]]) {
            return false;
        }
    }
    return text.length > 0;
}

static bool is_value(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* --- fields ---------------------------------------------------------------------------------- */

/* Adds the line "name: value". */
static int add_field(struct head *head, const char *line, size_t length, struct error *err)
{
    const char *colon = memchr(line, ':', length);
    struct text name = {line, colon ? (size_t)(colon - line) : 0};
    if (!colon || !is_token(name)) {
        return error_set(err, ERR_LENGTH, 0, "a header line has no proper name (or is folded)");
    }
    struct text value = {colon + 1, length - name.length - 1};
    if (!is_value(value)) {
        return error_set(err, ERR_LENGTH, 0, "a header's value has a control character");
    }
    while (value.length > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.length--;
    }
    while (value.length > 0 &&
           (value.data[value.length - 1] == ' ' || value.data[value.length - 1] == '\t')) {
        value.length--;
    }
    if (head->field_count == GATEWAY_FIELDS_MAX) {
        return error_set(err, ERR_HEADERS_TOO_LARGE, 0, "there are more than %d headers",
                         GATEWAY_FIELDS_MAX);
    }
    head->fields[head->field_count++] =
        (struct head_field){.name = name, .value = value, .role = field_role(name)};
    return 0;
}

static int read_length(struct head *head, struct text value, struct error *err)
{
    if (head->content_length >= 0) {
        return error_set(err, ERR_LENGTH, 0, "there is more than one Content-Length");
    }
    int64_t length = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (!isdigit((unsigned char)value.data[i]) || i == 18) {
            return error_set(err, ERR_LENGTH, 0, "Content-Length is not a number");
        }
        length = length * 10 + (value.data[i] - '0');
    }
    head->content_length = length;
    return value.length > 0 ? 0 : error_set(err, ERR_LENGTH, 0, "Content-Length is empty");
}

static int read_encoding(struct head *head, struct text value, struct error *err)
{
    if (head->is_chunked || !text_is(value, "chunked")) {
        return error_set(err, ERR_LENGTH, 0,
                         "the only Transfer-Encoding that is understood is 'chunked', once");
    }
    head->is_chunked = true;
    return 0;
}

static void read_connection(struct head *head, struct text value, bool *ret_upgrades)
{
    struct text element;
    while (text_next(&value, &element)) {
        if (text_is(element, "close")) {
            head->keep_alive = false;
        } else if (text_is(element, "keep-alive") && head->minor == 0) {
            head->keep_alive = true;
        } else if (text_is(element, "upgrade")) {
            *ret_upgrades = true;
        } else if (!text_is(element, "keep-alive")) {
            head->names_hops = true;
        }
    }
}

static void read_keep_alive(struct head *head, struct text value)
{
    struct text element;
    while (text_next(&value, &element)) {
        if (element.length > 8 && element.length < 16 &&
            text_is((struct text){element.data, 8}, "timeout=")) {
            head->keep_alive_sec = (int)strtol(element.data + 8, NULL, 10);
        }
    }
}

static int read_expect(struct head *head, struct text value, struct error *err)
{
    head->expects_continue = true;
    return text_is(value, "100-continue")
               ? 0
               : error_set(err, ERR_LENGTH, 0, "Expect can only be 100-continue");
}

static int read_field(struct head *head, const struct head_field *field, bool *ret_upgrades,
                      struct error *err)
{
    switch (field->role) {
    case FIELD_LENGTH:
        return read_length(head, field->value, err);
    case FIELD_ENCODING:
        return read_encoding(head, field->value, err);
    case FIELD_CONNECTION:
        read_connection(head, field->value, ret_upgrades);
        return 0;
    case FIELD_KEEP_ALIVE:
        read_keep_alive(head, field->value);
        return 0;
    case FIELD_EXPECT:
        return read_expect(head, field->value, err);
    case FIELD_HOST:
        if (head->host.data) {
            return error_set(err, ERR_LENGTH, 0, "there is more than one Host");
        }
        head->host = field->value;
        return 0;
    default:
        return 0;
    }
}

/* All lines behind the first one; data ends with the empty line. */
static int read_fields(struct head *head, const char *data, const char *end, struct error *err)
{
    bool upgrades = false;
    while (end - data > 2) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        if (!newline || newline == data || newline[-1] != '\r') {
            return error_set(err, ERR_LENGTH, 0, "a header line does not end in CR LF");
        }
        if (add_field(head, data, (size_t)(newline - 1 - data), err) ||
            read_field(head, &head->fields[head->field_count - 1], &upgrades, err)) {
            return -1;
        }
        data = newline + 1;
    }
    if (head->is_chunked && head->content_length >= 0) {
        return error_set(err, ERR_LENGTH, 0,
                         "there are both a Content-Length and a Transfer-Encoding");
    }
    if (head->is_chunked && head->minor == 0) {
        return error_set(err, ERR_LENGTH, 0, "HTTP/1.0 has no Transfer-Encoding");
    }
    const struct head_field *upgrade = upgrades ? head_find(head, FIELD_UPGRADE) : NULL;
    if (upgrade) {
        head->upgrade = upgrade->value;
    }
    return 0;
}

/* "HTTP/1.1" or "HTTP/1.0" */
static bool read_version(struct head *head, struct text text)
{
    if (text.length != 8 || memcmp(text.data, "HTTP/1.", 7) != 0) {
        return false;
    }
    head->minor = text.data[7] - '0';
    head->keep_alive = head->minor == 1;
    return head->minor == 0 || head->minor == 1;
}

static void clear(struct head *head)
{
    static const struct text none;
    head->method = head->target = head->host = head->reason = head->upgrade = none;
    head->status = head->minor = 0;
    head->content_length = head->keep_alive_sec = -1;
    head->is_chunked = head->keep_alive = head->names_hops = head->expects_continue = false;
    head->field_count = 0;
}

/* --- requests -------------------------------------------------------------------------------- */

static bool is_clean_target(struct text target)
{
    for (size_t i = 0; i < target.length; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= 0x20 || c == 0x7f || c == '#') {
            return false;
        }
    }
    return target.length > 0;
}

/* "http://host/path" becomes "/path"; its authority has to be what Host says. */
static int cut_authority(struct text *target, struct text *ret_authority, struct error *err)
{
    size_t scheme = 0;
    if (target->length > 7 && text_is((struct text){target->data, 7}, "http://")) {
        scheme = 7;
    } else if (target->length > 8 && text_is((struct text){target->data, 8}, "https://")) {
        scheme = 8;
    } else {
        return error_set(err, ERR_LENGTH, 0, "the request's target is neither a path nor a URL");
    }
    const char *start = target->data + scheme, *end = target->data + target->length;
    const char *path = start;
    while (path < end && *path != '/' && *path != '?') {
        path++;
    }
    *ret_authority = (struct text){start, (size_t)(path - start)};
    *target = (struct text){path, (size_t)(end - path)};
    return path < end && *path == '/'
               ? 0
               : error_set(err, ERR_LENGTH, 0, "the request's URL has no path");
}

static int check_target(struct head *head, struct text *ret_authority, struct error *err)
{
    if (text_is(head->method, "CONNECT")) {
        return error_set(err, ERR_METHOD, 0, "the gateway opens no tunnels by CONNECT");
    }
    if (!is_clean_target(head->target)) {
        return error_set(err, ERR_LENGTH, 0,
                         "the request's target has a character that none may have");
    }
    if (head->target.length > GATEWAY_TARGET_MAX) {
        return error_set(err, ERR_URI_TOO_LONG, 0, "the target is longer than %d bytes",
                         GATEWAY_TARGET_MAX);
    }
    if (head->target.length == 1 && head->target.data[0] == '*') {
        return text_is(head->method, "OPTIONS")
                   ? 0
                   : error_set(err, ERR_LENGTH, 0, "the target '*' is for OPTIONS only");
    }
    return head->target.data[0] == '/' ? 0 : cut_authority(&head->target, ret_authority, err);
}

static int read_request_line(struct head *head, const char *line, size_t length,
                             struct text *ret_authority, struct error *err)
{
    const char *first = memchr(line, ' ', length), *last = memrchr(line, ' ', length);
    if (!first || first == last) {
        return error_set(err, ERR_LENGTH, 0, "the request line is not 'METHOD target HTTP/1.1'");
    }
    head->method = (struct text){line, (size_t)(first - line)};
    head->target = (struct text){first + 1, (size_t)(last - first - 1)};
    if (!read_version(head, (struct text){last + 1, (size_t)(line + length - last - 1)})) {
        return error_set(err, ERR_LENGTH, 0, "the request is not HTTP/1.1");
    }
    if (head->method.length > GATEWAY_METHOD_MAX || !is_token(head->method)) {
        return error_set(err, ERR_LENGTH, 0, "the method is malformed");
    }
    return check_target(head, ret_authority, err);
}

/* The line at the start of data without its end, whose length with it comes back; 0: there is none. */
static size_t first_line(const char *data, size_t length, size_t *ret_line_length)
{
    const char *newline = memchr(data, '\n', length);
    if (!newline || newline == data || newline[-1] != '\r') {
        return 0;
    }
    *ret_line_length = (size_t)(newline - 1 - data);
    return *ret_line_length + 2;
}

int head_parse_request(const char *data, size_t length, struct head *head, struct error *err)
{
    clear(head);
    size_t line_length;
    struct text authority = {0};
    size_t start = first_line(data, length, &line_length);
    if (start == 0) {
        return error_set(err, ERR_LENGTH, 0, "the request line does not end in CR LF");
    }
    if (read_request_line(head, data, line_length, &authority, err) ||
        read_fields(head, data + start, data + length, err)) {
        return -1;
    }
    char host[GATEWAY_HOST_MAX + 1];
    if (!host_normalize(head->host, host)) {
        return error_set(err, ERR_LENGTH, 0, "the request needs one Host header with a host name");
    }
    if (authority.data && (authority.length != head->host.length ||
                           strncasecmp(authority.data, head->host.data, authority.length) != 0)) {
        return error_set(err, ERR_LENGTH, 0, "the request's URL and its Host name different hosts");
    }
    return 0;
}

/* --- responses ------------------------------------------------------------------------------- */

static bool read_status_line(struct head *head, const char *line, size_t length)
{
    if (length < 12 || line[8] != ' ' || !read_version(head, (struct text){line, 8})) {
        return false;
    }
    for (int i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)line[i])) {
            return false;
        }
        head->status = head->status * 10 + (line[i] - '0');
    }
    if (length > 12) {
        head->reason = (struct text){line + 13, length - 13};
    }
    return head->status >= 100 && head->status <= 599 && (length == 12 || line[12] == ' ') &&
           is_value(head->reason);
}

int head_parse_response(const char *data, size_t length, struct head *head, struct error *err)
{
    clear(head);
    size_t line_length;
    size_t start = first_line(data, length, &line_length);
    int failed = 0;
    if (start == 0 || !read_status_line(head, data, line_length)) {
        failed = error_set(err, ERR_UPSTREAM, 0, "its first line is not 'HTTP/1.1 NNN reason'");
    } else {
        failed = read_fields(head, data + start, data + length, err);
    }
    if (failed) {
        err->code = ERR_UPSTREAM;
        err->hint[0] = '\0';
        error_prefix(err, "the server in the sandbox sent a malformed answer");
    }
    return failed;
}
