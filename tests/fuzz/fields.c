/* Fields and frame headers from arbitrary bytes: every walk ends inside the message, and what was read
 * makes the same message when it is written again. */
#include "wire/fields.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_walk(const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size + 1);
    assert(copy);
    struct fields_writer writer;
    fields_start(&writer, copy, size);
    struct fields_reader reader = {data, size, 0};
    struct field field;
    int result;
    while ((result = fields_next(&reader, &field)) == 1) {
        char text[64];
        int64_t value;
        field_text(&field, text, sizeof(text));
        field_int(&field, &value);
        fields_put_bytes(&writer, field.tag, field.value.data, field.value.length);
        assert(fields_get_int(data, size, field.tag, 1) == 1 || field.value.data);
    }
    assert(!writer.overflow);
    assert(memcmp(copy, data, writer.length) == 0);
    assert(result < 0 || writer.length == size);
    free(copy);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct frame_header header;
    check_walk(data, size);
    if (size >= FRAME_HEADER_BYTES && frame_header_decode(data, &header) == 0) {
        unsigned char again[FRAME_HEADER_BYTES];
        frame_header_encode(header, again);
        assert(memcmp(again, data, sizeof(again)) == 0);
    }
    return 0;
}
