#include "base/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum { WORD_BYTES = sizeof(uint64_t) };

static size_t ascii_prefix(const unsigned char *bytes, size_t length)
{
    size_t i = 0;
    for (; i + WORD_BYTES <= length; i += WORD_BYTES) {
        uint64_t word;
        memcpy(&word, bytes + i, WORD_BYTES);
        if (word & UINT64_C(0x8080808080808080)) {
            break;
        }
    }
    while (i < length && bytes[i] < 0x80) {
        i++;
    }
    return i;
}

static bool lead_byte(struct utf8_check *check, unsigned char byte)
{
    check->low = 0x80;
    check->high = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        check->missing = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        check->missing = 2;
        check->low = byte == 0xE0 ? 0xA0 : 0x80;
        check->high = byte == 0xED ? 0x9F : 0xBF;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        check->missing = 3;
        check->low = byte == 0xF0 ? 0x90 : 0x80;
        check->high = byte == 0xF4 ? 0x8F : 0xBF;
    } else {
        return false;
    }
    return true;
}

static bool next_byte(struct utf8_check *check, unsigned char byte)
{
    if (byte < check->low || byte > check->high) {
        return false;
    }
    check->missing--;
    check->low = 0x80;
    check->high = 0xBF;
    return true;
}

bool utf8_check(struct utf8_check *check, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    size_t i = 0;
    while (i < length) {
        if (check->missing == 0) {
            i += ascii_prefix(from + i, length - i);
            if (i < length && !lead_byte(check, from[i++])) {
                return false;
            }
        } else if (!next_byte(check, from[i++])) {
            return false;
        }
    }
    return true;
}

bool utf8_valid(const void *bytes, size_t length)
{
    struct utf8_check check = {0};
    return utf8_check(&check, bytes, length) && utf8_check_complete(&check);
}

size_t utf8_incomplete_tail(const char *bytes, size_t length)
{
    for (size_t tail = 1; tail <= 3 && tail <= length; tail++) {
        unsigned char byte = (unsigned char)bytes[length - tail];
        if (byte < 0x80) {
            return 0;
        }
        if (byte >= 0xC0) {
            struct utf8_check check = {0};
            bool fits = utf8_check(&check, bytes + length - tail, tail);
            return fits && !utf8_check_complete(&check) ? tail : 0;
        }
    }
    return 0;
}

size_t utf8_encode(unsigned code_point, char bytes[4])
{
    assert(code_point <= 0x10FFFF);
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        return 1;
    }
    size_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    bytes[0] = (char)(marks[length] | code_point);
    return length;
}
