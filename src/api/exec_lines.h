/* Cuts a command's output into the pieces that one stream event each carries: at newlines only, unless a
 * line grows too long or its rest does not come. Pure. */
#ifndef ATOLL_API_EXEC_LINES_H
#define ATOLL_API_EXEC_LINES_H

#include "base/buffer.h"
#include "wire/fields.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EXEC_LINE_MAX_BYTES = 64 * 1024,
    /* a line's beginning and one frame of output */
    EXEC_LINES_MAX_BYTES = 2 * 1024 * 1024,
};

struct exec_lines {
    struct buffer bytes; /* what was taken out lies before start */
    size_t start;
    size_t searched; /* no newline between start and here */
};

#define EXEC_LINES_INIT ((struct exec_lines){.bytes = BUFFER_INIT(EXEC_LINES_MAX_BYTES)})

/* Take out all pieces before the next call. 0, or -1 with errno. */
int exec_lines_add(struct exec_lines *lines, struct bytes_view bytes);

/* The next whole line with its newline, or a piece of EXEC_LINE_MAX_BYTES of one that is longer. False:
 * none. The piece is borrowed until the next exec_lines_add. */
bool exec_lines_next(struct exec_lines *lines, struct bytes_view *ret_piece);

/* The begun line; without final, the first bytes of an unfinished character stay. False: nothing. */
bool exec_lines_flush(struct exec_lines *lines, bool final, struct bytes_view *ret_piece);

/* Would a flush that is not final give something? */
bool exec_lines_partial(const struct exec_lines *lines);

#endif
