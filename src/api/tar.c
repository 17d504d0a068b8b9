#include "api/tar.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* As in the standard: text ends at a NUL or at the field's end, numbers are octal digits with a NUL behind. */
struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK_BYTES, "a header is one block");

enum {
    OCTAL_7_MAX = 07777777,  /* in 8 bytes */
    RECORDS_MAX = 32 * 1024, /* of one entry: two paths and four numbers */
};
static const int64_t octal_11_max = 077777777777; /* in 12 bytes */

/* The value, or 0 where it does not fit: then a record tells it. */
static void put_octal(char *field, size_t size, int64_t value, int64_t max)
{
    snprintf(field, size, "%0*llo", (int)size - 1,
             (unsigned long long)(value >= 0 && value <= max ? value : 0));
}

static void put_text(char *field, size_t size, const char *text)
{
    size_t length = strlen(text);
    memcpy(field, text, length < size ? length : size);
}

static void finish(struct ustar *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;
    memcpy(header->magic, "ustar", sizeof(header->magic));
    memcpy(header->version, "00", sizeof(header->version));
    memset(header->checksum, ' ', sizeof(header->checksum));
    for (size_t i = 0; i < sizeof(*header); i++) {
        sum += bytes[i];
    }
    snprintf(header->checksum, sizeof(header->checksum), "%06o", sum);
}

/* "LENGTH KEY=VALUE\n", where the length counts itself. */
static int put_record(struct buffer *records, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, length = rest;
    for (int i = 0; i < 3; i++) { /* more digits make it longer, which may take one more */
        length = rest + (size_t)snprintf(NULL, 0, "%zu", length);
    }
    return buffer_printf(records, "%zu %s=%s\n", length, key, value);
}

static int put_number(struct buffer *records, const char *key, int64_t value, int64_t max)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    return value <= max ? 0 : put_record(records, key, text);
}

static int put_path(struct buffer *records, const char *key, const char *text, size_t size)
{
    return strlen(text) <= size && utf8_valid(text, strlen(text)) ? 0
                                                                  : put_record(records, key, text);
}

/* What the header has no room for. Names that are no UTF-8 are said to be bytes. */
static int put_records(const struct tar_entry *entry, const char *name, struct buffer *records)
{
    bool exact = utf8_valid(name, strlen(name)) && utf8_valid(entry->link, strlen(entry->link));
    const struct ustar *header = NULL;
    if ((!exact && put_record(records, "hdrcharset", "BINARY") < 0) ||
        put_path(records, "path", name, sizeof(header->name)) < 0 ||
        put_path(records, "linkpath", entry->link, sizeof(header->link)) < 0 ||
        put_number(records, "uid", entry->uid, OCTAL_7_MAX) < 0 ||
        put_number(records, "gid", entry->gid, OCTAL_7_MAX) < 0) {
        return -1;
    }
    return put_number(records, "size", entry->size, octal_11_max);
}

static int append_zeroes(struct buffer *out, int64_t count)
{
    static const char zeroes[TAR_BLOCK_BYTES];
    assert(count < TAR_BLOCK_BYTES);
    return buffer_append(out, zeroes, (size_t)count);
}

static int append_records(const struct buffer *records, struct buffer *out)
{
    struct ustar header = {.type = 'x'};
    put_text(header.name, sizeof(header.name), "PaxHeaders/entry");
    put_octal(header.mode, sizeof(header.mode), 0644, OCTAL_7_MAX);
    put_octal(header.uid, sizeof(header.uid), 0, OCTAL_7_MAX);
    put_octal(header.gid, sizeof(header.gid), 0, OCTAL_7_MAX);
    put_octal(header.size, sizeof(header.size), (int64_t)records->length, octal_11_max);
    put_octal(header.mtime, sizeof(header.mtime), 0, octal_11_max);
    finish(&header);
    return buffer_append(out, &header, sizeof(header)) < 0 ||
                   buffer_append(out, records->data, records->length) < 0
               ? -1
               : append_zeroes(out, tar_padding((int64_t)records->length));
}

static int append_header(const struct tar_entry *entry, const char *name, struct buffer *out)
{
    struct ustar header = {.type = (char)entry->type};
    put_text(header.name, sizeof(header.name), name);
    put_text(header.link, sizeof(header.link), entry->link);
    put_octal(header.mode, sizeof(header.mode), entry->mode & 07777, OCTAL_7_MAX);
    put_octal(header.uid, sizeof(header.uid), entry->uid, OCTAL_7_MAX);
    put_octal(header.gid, sizeof(header.gid), entry->gid, OCTAL_7_MAX);
    put_octal(header.size, sizeof(header.size), entry->size, octal_11_max);
    put_octal(header.mtime, sizeof(header.mtime), entry->modified_ms / 1000, octal_11_max);
    finish(&header);
    return buffer_append(out, &header, sizeof(header));
}

int tar_header(const struct tar_entry *entry, struct buffer *out)
{
    auto_buffer struct buffer name = BUFFER_INIT(RECORDS_MAX), records = BUFFER_INIT(RECORDS_MAX);
    if (buffer_printf(&name, "%s%s", entry->name, entry->type == TAR_DIRECTORY ? "/" : "") < 0 ||
        put_records(entry, name.data, &records) < 0 ||
        (records.length > 0 && append_records(&records, out) < 0)) {
        return -1;
    }
    return append_header(entry, name.data, out);
}

int64_t tar_padding(int64_t size)
{
    return (TAR_BLOCK_BYTES - size % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
}
