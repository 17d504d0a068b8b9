#include "http/router.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

ssize_t percent_decode(const char *raw, size_t length, char *text)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (raw[i] != '%') {
            text[used++] = raw[i];
            continue;
        }
        if (length - i < 3) {
            return -1;
        }
        int high = hex_digit(raw[i + 1]);
        int low = hex_digit(raw[i + 2]);
        if (high < 0 || low < 0 || high + low == 0) {
            return -1;
        }
        text[used++] = (char)(high * 16 + low);
        i += 2;
    }
    text[used] = '\0';
    return (ssize_t)used;
}

/* Length of the well-formed UTF-8 sequence that text begins with, or 0 (table 3-7 of Unicode). */
static size_t utf8_sequence(const unsigned char *text, size_t length)
{
    unsigned char lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || length < size) {
        return 0;
    }
    unsigned char lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < lowest || text[1] > highest) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool percent_text_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t size = utf8_sequence((const unsigned char *)text + i, length - i);
        if (size == 0) {
            return false;
        }
        i += size;
    }
    return true;
}
