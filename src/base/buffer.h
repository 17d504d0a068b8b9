/* A growable byte buffer that is given its maximum at birth. */
#ifndef ATOLL_BASE_BUFFER_H
#define ATOLL_BASE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *data;      /* NUL-terminated beyond length once anything was appended; NULL before */
    size_t length;
    size_t capacity;
    size_t max;      /* most bytes that length may reach */
};

#define BUFFER_INIT(max_bytes) ((struct buffer){.max = (max_bytes)})

/* Appends; returns 0, or -1 with errno E2BIG (over max; nothing was appended) or ENOMEM. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t length);
int buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes room for length more bytes and returns where they go (then add to ->length), or NULL. */
char *buffer_reserve(struct buffer *buffer, size_t length);

/* Frees the memory and leaves an empty buffer with the same maximum. Accepts NULL. */
void buffer_free(struct buffer *buffer);

#define auto_buffer __attribute__((cleanup(buffer_free)))

#endif
