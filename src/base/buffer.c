#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY_BYTES = 256 };

char *buffer_reserve(struct buffer *buffer, size_t length)
{
    if (length > buffer->max || buffer->length > buffer->max - length) {
        errno = E2BIG;
        return NULL;
    }
    size_t needed = buffer->length + length + 1;
    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY_BYTES;
        while (capacity < needed) {
            capacity *= 2;
        }
        if (capacity > buffer->max + 1) {
            capacity = buffer->max + 1;
        }
        char *data = realloc(buffer->data, capacity);
        if (!data) {
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    buffer->data[buffer->length + length] = '\0';
    return buffer->data + buffer->length;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    char *target = buffer_reserve(buffer, length);
    if (!target) {
        return -1;
    }
    if (length > 0) {
        memcpy(target, bytes, length);
    }
    buffer->length += length;
    return 0;
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        errno = ENOMEM;
        return -1;
    }
    int result = buffer_append(buffer, text, (size_t)length);
    free(text);
    return result;
}

void buffer_free(struct buffer *buffer)
{
    if (buffer) {
        int saved = errno;
        free(buffer->data);
        buffer->data = NULL;
        buffer->length = 0;
        buffer->capacity = 0;
        errno = saved;
    }
}
