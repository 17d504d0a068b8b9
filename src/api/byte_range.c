#include "api/byte_range.h"

#include <string.h>
#include <strings.h>

enum { DIGITS_MAX = 18 };

/* Reads digits at *at: the number, or -1 when there are none (or too many). */
static int64_t read_number(const char **at)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX) {
        return -1;
    }
    int64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    return number;
}

enum byte_range_result byte_range_parse(const char *header, int64_t size, int64_t *ret_offset,
                                        int64_t *ret_length)
{
    static const char unit[] = "bytes=";
    if (!header || strncasecmp(header, unit, sizeof(unit) - 1) != 0) {
        return BYTE_RANGE_WHOLE;
    }
    const char *at = header + sizeof(unit) - 1;
    int64_t first = read_number(&at);
    if (*at++ != '-') {
        return BYTE_RANGE_WHOLE;
    }
    int64_t last = read_number(&at);
    if (*at || (first < 0 && last < 0) || (first >= 0 && last >= 0 && last < first)) {
        return BYTE_RANGE_WHOLE;
    }
    if (first < 0) {
        first = last < size ? size - last : 0;
        last = last == 0 ? -1 : size - 1;
    } else if (last < 0 || last >= size) {
        last = size - 1;
    }
    if (first >= size || last < first) {
        return BYTE_RANGE_UNREACHABLE;
    }
    *ret_offset = first;
    *ret_length = last - first + 1;
    return BYTE_RANGE_PART;
}
