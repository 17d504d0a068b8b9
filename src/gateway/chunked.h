/* The chunked transfer coding, decoded strictly: extensions and trailers are dropped. Pure. */
#ifndef ATOLL_GATEWAY_CHUNKED_H
#define ATOLL_GATEWAY_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

enum {
    CHUNK_LINE_MAX = 1024, /* a size with its extensions */
    CHUNK_TRAILERS_MAX = 8 * 1024,
    CHUNK_SIZE_DIGITS_MAX = 15,
};

enum chunk_state {
    CHUNK_SIZE,      /* in the digits */
    CHUNK_EXTENSION, /* behind them */
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* at a trailer line's start */
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_DONE,
};

/* Zero-initialised: at the start of a body. */
struct chunked {
    enum chunk_state state;
    uint32_t digits, line_length, trailers_length;
    uint64_t left; /* of the chunk's data */
};

/* Decodes data in place: what is content moves to its start, *ret_content bytes of it; *ret_consumed tells how many
 * were read. 1: the body's end was reached, 0: more is to come, -1: malformed. */
int chunked_decode(struct chunked *chunked, char *data, size_t length, size_t *ret_consumed,
                   size_t *ret_content);

#endif
