#include "gateway/chunked.h"

#include <stdbool.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text(char c)
{
    unsigned char byte = (unsigned char)c;
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

static int take_size(struct chunked *chunked, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        chunked->left = chunked->left * 16 + (uint64_t)digit;
        return ++chunked->digits <= CHUNK_SIZE_DIGITS_MAX ? 0 : -1;
    }
    if (chunked->digits == 0) {
        return -1;
    }
    if (c == '\r') {
        chunked->state = CHUNK_SIZE_LF;
        return 0;
    }
    chunked->state = CHUNK_EXTENSION;
    return c == ';' || c == ' ' || c == '\t' ? 0 : -1;
}

static int take_extension(struct chunked *chunked, char c)
{
    if (c == '\r') {
        chunked->state = CHUNK_SIZE_LF;
        return 0;
    }
    return is_text(c) && ++chunked->line_length <= CHUNK_LINE_MAX ? 0 : -1;
}

static int take_trailer(struct chunked *chunked, char c)
{
    if (c == '\r') {
        chunked->state = chunked->state == CHUNK_TRAILER ? CHUNK_END_LF : CHUNK_TRAILER_LF;
        return 0;
    }
    chunked->state = CHUNK_TRAILER_LINE;
    return is_text(c) && ++chunked->trailers_length <= CHUNK_TRAILERS_MAX ? 0 : -1;
}

/* The byte that c has to be; then the state changes. */
static int expect(struct chunked *chunked, char c, char expected, enum chunk_state next)
{
    chunked->state = next;
    return c == expected ? 0 : -1;
}

static int begin_data(struct chunked *chunked, char c)
{
    int failed = expect(chunked, c, '\n', chunked->left > 0 ? CHUNK_DATA : CHUNK_TRAILER);
    chunked->digits = chunked->line_length = 0;
    return failed;
}

/* One byte that is not content. */
static int take(struct chunked *chunked, char c)
{
    switch (chunked->state) {
    case CHUNK_SIZE:
        return take_size(chunked, c);
    case CHUNK_EXTENSION:
        return take_extension(chunked, c);
    case CHUNK_SIZE_LF:
        return begin_data(chunked, c);
    case CHUNK_DATA_CR:
        return expect(chunked, c, '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        return expect(chunked, c, '\n', CHUNK_SIZE);
    case CHUNK_TRAILER:
    case CHUNK_TRAILER_LINE:
        return take_trailer(chunked, c);
    case CHUNK_TRAILER_LF:
        return expect(chunked, c, '\n', CHUNK_TRAILER);
    case CHUNK_END_LF:
        return expect(chunked, c, '\n', CHUNK_DONE);
    case CHUNK_DATA:
    case CHUNK_DONE:
        break;
    }
    return -1;
}

static size_t take_content(struct chunked *chunked, char *to, const char *from, size_t length)
{
    size_t count = chunked->left < length ? (size_t)chunked->left : length;
    memmove(to, from, count);
    chunked->left -= count;
    if (chunked->left == 0) {
        chunked->state = CHUNK_DATA_CR;
    }
    return count;
}

int chunked_decode(struct chunked *chunked, char *data, size_t length, size_t *ret_consumed,
                   size_t *ret_content)
{
    size_t at = 0, content = 0;
    int failed = 0;
    while (at < length && !failed && chunked->state != CHUNK_DONE) {
        if (chunked->state == CHUNK_DATA) {
            size_t count = take_content(chunked, data + content, data + at, length - at);
            content += count;
            at += count;
        } else {
            failed = take(chunked, data[at++]);
        }
    }
    *ret_consumed = at;
    *ret_content = content;
    if (failed) {
        return -1;
    }
    return chunked->state == CHUNK_DONE;
}
