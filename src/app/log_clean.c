/* What a program wrote, made fit to be shown: printable UTF-8. */
#include "app/log_clean.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* Bytes of the terminal sequence at text (ESC [ … letter, or ESC and one more), 0 when there is none. */
static size_t escape_length(const char *text, size_t length)
{
    if (length == 0 || text[0] != '\x1b') {
        return 0;
    }
    if (length < 2 || text[1] != '[') {
        return length < 2 ? 1 : 2;
    }
    size_t end = 2;
    while (end < length && (unsigned char)text[end] < 0x40 && (unsigned char)text[end] >= 0x20) {
        end++;
    }
    return end < length ? end + 1 : length;
}

/* Bytes of the UTF-8 character at text, 0 when it is none. */
static size_t character_length(const char *text, size_t length)
{
    unsigned char lead = (unsigned char)text[0];
    size_t count = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return count <= length && utf8_valid(text, count) ? count : 0;
}

size_t log_clean(char *text, size_t length)
{
    size_t from = 0, to = 0;
    while (from < length) {
        size_t skipped = escape_length(text + from, length - from);
        if (skipped) {
            from += skipped;
            continue;
        }
        unsigned char byte = (unsigned char)text[from];
        size_t count = character_length(text + from, length - from);
        if (count == 0) {
            text[to++] = '?';
        } else if (byte >= ' ' ? byte != 0x7f : byte == '\n' || byte == '\t') {
            memmove(text + to, text + from, count);
            to += count;
        }
        from += count ? count : 1;
    }
    text[to] = '\0';
    return to;
}
