#include "wire/fields.h"

#include <string.h>

enum { FIELD_HEADER_BYTES = 6, FIELD_INT_BYTES = 8 };

void fields_start(struct fields_writer *writer, void *data, size_t capacity)
{
    *writer = (struct fields_writer){.data = data, .capacity = capacity};
}

void fields_put_bytes(struct fields_writer *writer, uint16_t tag, const void *bytes, size_t length)
{
    size_t room = writer->capacity - writer->length;
    if (writer->overflow || room < FIELD_HEADER_BYTES || length > room - FIELD_HEADER_BYTES ||
        length > UINT32_MAX) {
        writer->overflow = true;
        return;
    }
    unsigned char *target = writer->data + writer->length;
    target[0] = (unsigned char)tag;
    target[1] = (unsigned char)(tag >> 8);
    for (int i = 0; i < 4; i++) {
        target[2 + i] = (unsigned char)(length >> (8 * i));
    }
    if (length > 0) {
        memcpy(target + FIELD_HEADER_BYTES, bytes, length);
    }
    writer->length += FIELD_HEADER_BYTES + length;
}

void fields_put_string(struct fields_writer *writer, uint16_t tag, const char *text)
{
    fields_put_bytes(writer, tag, text, strlen(text));
}

void fields_put_int(struct fields_writer *writer, uint16_t tag, int64_t value)
{
    unsigned char bytes[FIELD_INT_BYTES];
    for (int i = 0; i < FIELD_INT_BYTES; i++) {
        bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
    }
    fields_put_bytes(writer, tag, bytes, sizeof(bytes));
}

int fields_next(struct fields_reader *reader, struct field *ret_field)
{
    size_t rest = reader->length - reader->offset;
    if (rest == 0) {
        return 0;
    }
    if (rest < FIELD_HEADER_BYTES) {
        return -1;
    }
    const unsigned char *from = reader->data + reader->offset;
    size_t length =
        (size_t)from[2] | (size_t)from[3] << 8 | (size_t)from[4] << 16 | (size_t)from[5] << 24;
    if (length > rest - FIELD_HEADER_BYTES) {
        return -1;
    }
    ret_field->tag = (uint16_t)(from[0] | from[1] << 8);
    ret_field->value.data = (const char *)from + FIELD_HEADER_BYTES;
    ret_field->value.length = length;
    reader->offset += FIELD_HEADER_BYTES + length;
    return 1;
}

bool field_int(const struct field *field, int64_t *ret_value)
{
    if (field->value.length != FIELD_INT_BYTES) {
        return false;
    }
    uint64_t value = 0;
    for (int i = FIELD_INT_BYTES - 1; i >= 0; i--) {
        value = value << 8 | (unsigned char)field->value.data[i];
    }
    *ret_value = (int64_t)value;
    return true;
}

bool field_text(const struct field *field, char *text, size_t size)
{
    if (field->value.length >= size || memchr(field->value.data, '\0', field->value.length)) {
        text[0] = '\0';
        return false;
    }
    memcpy(text, field->value.data, field->value.length);
    text[field->value.length] = '\0';
    return true;
}

static bool find(const void *data, size_t length, uint16_t tag, struct field *ret_field)
{
    struct fields_reader reader = {data, length, 0};
    while (fields_next(&reader, ret_field) == 1) {
        if (ret_field->tag == tag) {
            return true;
        }
    }
    return false;
}

bool fields_find(const void *data, size_t length, uint16_t tag, struct bytes_view *ret_value)
{
    struct field field;
    if (!find(data, length, tag, &field)) {
        return false;
    }
    *ret_value = field.value;
    return true;
}

int64_t fields_get_int(const void *data, size_t length, uint16_t tag, int64_t fallback)
{
    struct field field;
    int64_t value;
    return find(data, length, tag, &field) && field_int(&field, &value) ? value : fallback;
}

bool fields_get_text(const void *data, size_t length, uint16_t tag, char *text, size_t size)
{
    struct field field;
    text[0] = '\0';
    return find(data, length, tag, &field) && field_text(&field, text, size);
}
