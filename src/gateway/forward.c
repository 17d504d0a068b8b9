/* Heads as they are passed on: written anew from what was parsed, nothing copied that we did not understand. */
#include "gateway/client.h"
#include "gateway/credentials.h"

#include <stdio.h>
#include <string.h>

struct writer {
    char *data;
    size_t length, size;
    bool is_full;
};

static void put(struct writer *writer, const char *data, size_t length)
{
    if (writer->size - writer->length < length) {
        writer->is_full = true;
        return;
    }
    if (length > 0) {
        memcpy(writer->data + writer->length, data, length);
        writer->length += length;
    }
}

static void put_string(struct writer *writer, const char *string)
{
    put(writer, string, strlen(string));
}

static void put_field(struct writer *writer, struct text name, struct text value)
{
    put(writer, name.data, name.length);
    put(writer, ": ", 2);
    put(writer, value.data, value.length);
    put(writer, "\r\n", 2);
}

static void put_named(struct writer *writer, const char *name, struct text value)
{
    put_field(writer, (struct text){name, strlen(name)}, value);
}

static void put_length(struct writer *writer, int64_t length)
{
    char line[64];
    int used = snprintf(line, sizeof(line), "Content-Length: %lld\r\n", (long long)length);
    put(writer, line, (size_t)used);
}

static size_t finish(struct writer *writer)
{
    put(writer, "\r\n", 2);
    return writer->is_full ? 0 : writer->length;
}

/* --- requests -------------------------------------------------------------------------------- */

/* Bytes above ASCII are percent-encoded: some servers take 0x85 or 0xA0 for white space. */
static void put_target(struct writer *writer, struct text target)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t start = 0;
    for (size_t i = 0; i < target.length; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c >= 0x80) {
            put(writer, target.data + start, i - start);
            put(writer, (char[3]){'%', digits[c >> 4], digits[c & 15]}, 3);
            start = i + 1;
        }
    }
    put(writer, target.data + start, target.length - start);
}

static void put_cookie(struct writer *writer, const struct head_field *field)
{
    char clean[2 * GATEWAY_HEAD_MAX];
    size_t length = credentials_clean_cookie(field->value, clean);
    if (length > 0) {
        put_field(writer, field->name, (struct text){clean, length});
    }
}

static void put_request_fields(struct writer *writer, const struct head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];
        if (head->names_hops && head_names_hop(head, field->name)) {
            continue;
        }
        if (field->role == FIELD_PLAIN || field->role == FIELD_ACCEPT ||
            field->role == FIELD_SET_COOKIE) {
            put_field(writer, field->name, field->value);
        } else if (field->role == FIELD_COOKIE) {
            put_cookie(writer, field);
        }
    }
}

size_t forward_request(const struct forward_request *request, char *out, size_t size)
{
    const struct head *head = request->head;
    struct writer writer = {.data = out, .size = size};
    put(&writer, head->method.data, head->method.length);
    put(&writer, " ", 1);
    put_target(&writer, request->target);
    put_string(&writer, " HTTP/1.1\r\n");
    put_named(&writer, "Host", head->host);
    put_request_fields(&writer, head);
    if (head->is_chunked) {
        put_string(&writer, "Transfer-Encoding: chunked\r\n");
    } else if (head->content_length >= 0) {
        put_length(&writer, head->content_length);
    }
    if (request->upgrades) {
        put_string(&writer, "Connection: Upgrade\r\n");
        put_named(&writer, "Upgrade", head->upgrade);
    }
    put_named(&writer, "X-Forwarded-For",
              (struct text){request->client_address, strlen(request->client_address)});
    put_named(&writer, "X-Forwarded-Proto",
              (struct text){request->scheme, strlen(request->scheme)});
    put_named(&writer, "X-Forwarded-Host", head->host);
    return finish(&writer);
}

/* --- responses ------------------------------------------------------------------------------- */

static bool passes_to_client(const struct head_field *field)
{
    switch (field->role) {
    case FIELD_HOP:
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_UPGRADE:
    case FIELD_LENGTH:
    case FIELD_ENCODING:
        return false;
    case FIELD_SET_COOKIE:
        return !credentials_is_our_cookie(field->value);
    default:
        return true;
    }
}

static void put_connection(struct writer *writer, const struct forward_response *response)
{
    bool tells_upgrade = response->upgrades || response->head->status == 426;
    const struct head_field *upgrade =
        tells_upgrade ? head_find(response->head, FIELD_UPGRADE) : NULL;
    if (upgrade) {
        put_named(writer, "Upgrade", upgrade->value);
        put_string(writer,
                   response->closes ? "Connection: upgrade, close\r\n" : "Connection: Upgrade\r\n");
    } else if (response->closes) {
        put_string(writer, "Connection: close\r\n");
    } else if (response->says_keep_alive) {
        put_string(writer, "Connection: keep-alive\r\n");
    }
}

size_t forward_response(const struct forward_response *response, char *out, size_t size)
{
    const struct head *head = response->head;
    struct writer writer = {.data = out, .size = size};
    char status[16];
    put(&writer, status, (size_t)snprintf(status, sizeof(status), "HTTP/1.1 %03d ", head->status));
    put(&writer, head->reason.data, head->reason.length);
    put(&writer, "\r\n", 2);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];
        if (passes_to_client(field) && !(head->names_hops && head_names_hop(head, field->name))) {
            put_field(&writer, field->name, field->value);
        }
    }
    if (response->is_chunked) {
        put_string(&writer, "Transfer-Encoding: chunked\r\n");
    } else if (response->has_length) {
        put_length(&writer, head->content_length);
    }
    if (response->set_cookie) {
        put_string(&writer, response->set_cookie);
    }
    put_connection(&writer, response);
    return finish(&writer);
}
