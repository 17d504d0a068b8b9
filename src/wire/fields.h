/*
 * Fields: the body of every message between atolld, atoll-host and atoll-agent. Pure functions.
 *
 * A message is a sequence of fields: tag (u16 LE), length (u32 LE), that many bytes. Integers are
 * fields of exactly 8 bytes (i64 LE); strings carry no NUL, neither inside nor at their end. A tag may
 * repeat where the protocol says so. Unknown tags are skipped, so either side may be newer.
 */
#ifndef ATOLL_WIRE_FIELDS_H
#define ATOLL_WIRE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed run of bytes. */
struct bytes_view {
    const char *data;
    size_t length;
};

/* Writes fields into memory that the caller owns. Overflow sets ->overflow and writes nothing more;
 * check it once, at the end. */
struct fields_writer {
    unsigned char *data;
    size_t length;
    size_t capacity;
    bool overflow;
};

void fields_start(struct fields_writer *writer, void *data, size_t capacity);
void fields_put_bytes(struct fields_writer *writer, uint16_t tag, const void *bytes, size_t length);
void fields_put_string(struct fields_writer *writer, uint16_t tag, const char *text);
void fields_put_int(struct fields_writer *writer, uint16_t tag, int64_t value);

/* Walks a message. Start: struct fields_reader r = {data, length, 0}. */
struct fields_reader {
    const unsigned char *data;
    size_t length;
    size_t offset;
};

struct field {
    uint16_t tag;
    struct bytes_view value;
};

/* Returns 1 and the next field, 0 at the end, -1 when the rest is malformed. */
int fields_next(struct fields_reader *reader, struct field *ret_field);

/* The field's integer; false when it is not 8 bytes long. */
bool field_int(const struct field *field, int64_t *ret_value);

/* Copies the field's text with a NUL into text[size]; false when too long or when it holds a NUL. */
bool field_text(const struct field *field, char *text, size_t size);

/* The first field with that tag in a whole message. fields_get_int gives fallback when it is absent
 * or malformed; fields_get_text gives false then and leaves text empty. */
bool fields_find(const void *data, size_t length, uint16_t tag, struct bytes_view *ret_value);
int64_t fields_get_int(const void *data, size_t length, uint16_t tag, int64_t fallback);
bool fields_get_text(const void *data, size_t length, uint16_t tag, char *text, size_t size);

#endif
