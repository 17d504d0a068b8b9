/* Reader of a text/event-stream: bytes in, events out. */
#ifndef ATOLL_CLI_SSE_H
#define ATOLL_CLI_SSE_H

#include "base/buffer.h"

enum { SSE_LINE_MAX = 16 * 1024 * 1024, SSE_NAME_MAX = 64, SSE_ID_MAX = 128 };

/* name and data are borrowed for the call. Returns 0, or -1 to stop reading. */
typedef int sse_handler(const char *name, const char *data, size_t length, void *context);

struct sse_reader {
    sse_handler *handle;
    void *context;
    char name[SSE_NAME_MAX];
    char id[SSE_ID_MAX]; /* the last that was given, "" before */
    struct buffer line;  /* what arrived of the current line */
    struct buffer data;
};

void sse_init(struct sse_reader *reader, sse_handler *handle, void *context);
void sse_free(struct sse_reader *reader);

/* 0, or -1 when the handler stopped, or a line is too long (errno E2BIG, ENOMEM). */
int sse_feed(struct sse_reader *reader, const char *bytes, size_t length);

#endif
