#include "cli/sse.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void sse_init(struct sse_reader *reader, sse_handler *handle, void *context)
{
    *reader = (struct sse_reader){
        .handle = handle,
        .context = context,
        .line = BUFFER_INIT(SSE_LINE_MAX),
        .data = BUFFER_INIT(SSE_LINE_MAX),
    };
}

void sse_free(struct sse_reader *reader)
{
    buffer_free(&reader->line);
    buffer_free(&reader->data);
}

static int dispatch(struct sse_reader *reader)
{
    int result = 0;
    if (reader->data.length > 0) {
        const char *name = *reader->name ? reader->name : "message";
        result = reader->handle(name, reader->data.data, reader->data.length, reader->context);
    }
    reader->data.length = 0;
    reader->name[0] = 0;
    return result;
}

static int take_line(struct sse_reader *reader, const char *line, size_t length)
{
    if (length > 0 && line[length - 1] == '\r') {
        length--;
    }
    if (length == 0) {
        return dispatch(reader);
    }
    const char *colon = memchr(line, ':', length);
    size_t name_length = colon ? (size_t)(colon - line) : length;
    const char *value = colon ? colon + 1 : line + length;
    value += value < line + length && *value == ' ';
    size_t value_length = (size_t)(line + length - value);
    if (name_length == 5 && memcmp(line, "event", 5) == 0) {
        snprintf(reader->name, sizeof reader->name, "%.*s", (int)value_length, value);
    } else if (name_length == 2 && memcmp(line, "id", 2) == 0) {
        snprintf(reader->id, sizeof reader->id, "%.*s", (int)value_length, value);
    } else if (name_length == 4 && memcmp(line, "data", 4) == 0) {
        bool more = reader->data.length > 0;
        return (more && buffer_append(&reader->data, "\n", 1)) ||
                       buffer_append(&reader->data, value, value_length)
                   ? -1
                   : 0;
    }
    return 0;
}

int sse_feed(struct sse_reader *reader, const char *bytes, size_t length)
{
    const char *end = bytes + length;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t part = (size_t)((newline ? newline : end) - bytes);
        if (!newline) {
            return buffer_append(&reader->line, bytes, part);
        }
        int result;
        if (reader->line.length > 0) {
            result = buffer_append(&reader->line, bytes, part) ||
                             take_line(reader, reader->line.data, reader->line.length)
                         ? -1
                         : 0;
            reader->line.length = 0;
        } else {
            result = take_line(reader, bytes, part);
        }
        if (result) {
            return -1;
        }
        bytes = newline + 1;
    }
    return 0;
}
