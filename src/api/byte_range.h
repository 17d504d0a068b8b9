/* The Range header of HTTP, one range of bytes at most. Pure. */
#ifndef ATOLL_API_BYTE_RANGE_H
#define ATOLL_API_BYTE_RANGE_H

#include <stdint.h>

enum byte_range_result {
    BYTE_RANGE_WHOLE, /* no range, several, or a header to ignore */
    BYTE_RANGE_PART,
    BYTE_RANGE_UNREACHABLE, /* 416 */
};

/* header: the value of Range, or NULL. For a part, fills *ret_offset and *ret_length (> 0). */
enum byte_range_result byte_range_parse(const char *header, int64_t size, int64_t *ret_offset,
                                        int64_t *ret_length);

#endif
