#include "api/exec_lines.h"

#include "base/utf8.h"

#include <string.h>

int exec_lines_add(struct exec_lines *lines, struct bytes_view bytes)
{
    if (lines->start > 0) {
        lines->bytes.length -= lines->start;
        lines->searched -= lines->start;
        memmove(lines->bytes.data, lines->bytes.data + lines->start, lines->bytes.length);
        lines->start = 0;
    }
    return buffer_append(&lines->bytes, bytes.data, bytes.length);
}

static struct bytes_view take(struct exec_lines *lines, size_t length)
{
    struct bytes_view piece = {lines->bytes.data + lines->start, length};
    lines->start += length;
    if (lines->searched < lines->start) {
        lines->searched = lines->start;
    }
    return piece;
}

bool exec_lines_next(struct exec_lines *lines, struct bytes_view *ret_piece)
{
    size_t limit = lines->bytes.length;
    if (limit - lines->start > EXEC_LINE_MAX_BYTES) {
        limit = lines->start + EXEC_LINE_MAX_BYTES;
    }
    if (limit <= lines->searched) {
        return false;
    }
    const char *from = lines->bytes.data + lines->searched;
    const char *newline = memchr(from, '\n', limit - lines->searched);
    if (newline) {
        *ret_piece = take(lines, (size_t)(newline + 1 - lines->bytes.data) - lines->start);
        return true;
    }
    lines->searched = limit;
    size_t length = limit - lines->start;
    if (length < EXEC_LINE_MAX_BYTES) {
        return false;
    }
    const char *line = lines->bytes.data + lines->start;
    *ret_piece = take(lines, length - utf8_incomplete_tail(line, length));
    return true;
}

/* Bytes of the begun line that a flush takes. */
static size_t flush_length(const struct exec_lines *lines, bool final)
{
    size_t length = lines->bytes.length - lines->start;
    if (length == 0 || final) {
        return length;
    }
    return length - utf8_incomplete_tail(lines->bytes.data + lines->start, length);
}

bool exec_lines_flush(struct exec_lines *lines, bool final, struct bytes_view *ret_piece)
{
    size_t length = flush_length(lines, final);
    if (length == 0) {
        return false;
    }
    *ret_piece = take(lines, length);
    return true;
}

bool exec_lines_partial(const struct exec_lines *lines)
{
    return flush_length(lines, false) > 0;
}
