#include "base/base64.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define RANGE10(c, v)                                                                              \
    [(c)] = (v), [(c) + 1] = (v) + 1, [(c) + 2] = (v) + 2, [(c) + 3] = (v) + 3,                    \
    [(c) + 4] = (v) + 4, [(c) + 5] = (v) + 5, [(c) + 6] = (v) + 6, [(c) + 7] = (v) + 7,            \
    [(c) + 8] = (v) + 8, [(c) + 9] = (v) + 9

/* Value + 1 of each character, 0 for what is not base64: so that the table needs no filling. */
static const unsigned char values[256] = {
    RANGE10('A', 1), RANGE10('K', 11), ['U'] = 21, ['V'] = 22,       ['W'] = 23,
    ['X'] = 24,      ['Y'] = 25,       ['Z'] = 26, RANGE10('a', 27), RANGE10('k', 37),
    ['u'] = 47,      ['v'] = 48,       ['w'] = 49, ['x'] = 50,       ['y'] = 51,
    ['z'] = 52,      RANGE10('0', 53), ['+'] = 63, ['-'] = 63,       ['/'] = 64,
    ['_'] = 64,
};

/* Whole groups of four; returns how many characters were used. */
static size_t decode_groups(const char *text, size_t length, unsigned char *out)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t i = 0;
    for (; i + 4 <= length; i += 4) {
        unsigned a = values[from[i]], b = values[from[i + 1]];
        unsigned c = values[from[i + 2]], d = values[from[i + 3]];
        if (!a || !b || !c || !d) {
            break;
        }
        uint32_t bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        *out++ = (unsigned char)(bits >> 16);
        *out++ = (unsigned char)(bits >> 8);
        *out++ = (unsigned char)bits;
    }
    return i;
}

/* One character. Returns the bytes that it completed (0 to 1), or -1 when it does not belong here. */
static int decode_one(struct base64_decoder *decoder, char character, unsigned char *out)
{
    if (character == '=') {
        if (decoder->count + decoder->padding >= 4 || decoder->count < 2) {
            return -1;
        }
        decoder->padding++;
        return 0;
    }
    unsigned value = values[(unsigned char)character];
    if (!value || decoder->padding) {
        return -1;
    }
    decoder->bits = decoder->bits << 6 | (value - 1);
    decoder->count++;
    switch (decoder->count) {
    case 1:
        return 0;
    case 2:
        *out = (unsigned char)(decoder->bits >> 4);
        return 1;
    case 3:
        *out = (unsigned char)(decoder->bits >> 2);
        return 1;
    default:
        *out = (unsigned char)decoder->bits;
        decoder->count = 0;
        decoder->bits = 0;
        return 1;
    }
}

size_t base64_decode(struct base64_decoder *decoder, const char *text, size_t length,
                     unsigned char *out, size_t *ret_used)
{
    size_t used = 0;
    unsigned char *to = out;
    while (used < length) {
        if (decoder->count == 0 && decoder->padding == 0) {
            size_t whole = decode_groups(text + used, length - used, to);
            used += whole;
            to += whole / 4 * 3;
            if (used == length) {
                break;
            }
        }
        int made = decode_one(decoder, text[used], to);
        if (made < 0) {
            break;
        }
        to += made;
        used++;
    }
    *ret_used = used;
    return (size_t)(to - out);
}

bool base64_complete(const struct base64_decoder *decoder)
{
    /* bits beyond the last byte must be zero, so that each file has one encoding */
    uint32_t unused = decoder->count == 2 ? 0xF : decoder->count == 3 ? 0x3 : 0;
    if (decoder->bits & unused) {
        return false;
    }
    if (decoder->padding) {
        return decoder->count + decoder->padding == 4;
    }
    return decoder->count != 1;
}

int base64_decode_all(const char *text, size_t length, unsigned char **ret_bytes,
                      size_t *ret_length)
{
    struct base64_decoder decoder = {0};
    auto_free unsigned char *bytes = malloc(BASE64_DECODED_MAX(length));
    if (!bytes) {
        return -1;
    }
    size_t used;
    size_t decoded = base64_decode(&decoder, text, length, bytes, &used);
    if (used != length || !base64_complete(&decoder)) {
        errno = EINVAL;
        return -1;
    }
    *ret_length = decoded;
    *ret_bytes = take_pointer(&bytes);
    return 0;
}

char *base64_encode(const void *bytes, size_t length, size_t *ret_length)
{
    const unsigned char *from = bytes;
    char *text = malloc((length + 2) / 3 * 4 + 1);
    if (!text) {
        return NULL;
    }
    char *to = text;
    for (size_t i = 0; i < length; i += 3) {
        size_t rest = length - i;
        uint32_t bits = (uint32_t)from[i] << 16 | (rest > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                        (rest > 2 ? from[i + 2] : 0);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = '=';
        *to++ = '=';
        if (rest > 1) {
            to[-2] = alphabet[bits >> 6 & 63];
        }
        if (rest > 2) {
            to[-1] = alphabet[bits & 63];
        }
    }
    *to = '\0';
    *ret_length = (size_t)(to - text);
    return text;
}
