#include "events/cursor.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 18 };

char *cursor_print(const struct cursor *cursor, char text[CURSOR_SIZE])
{
    snprintf(text, CURSOR_SIZE, "%lld-%lld", (long long)cursor->seq, (long long)cursor->n);
    return text;
}

/* Digits and nothing else; returns what follows, or NULL. */
static const char *number(const char *text, int64_t *ret_value)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > DIGITS_MAX) {
        return NULL;
    }
    *ret_value = 0;
    for (size_t i = 0; i < length; i++) {
        *ret_value = *ret_value * 10 + (text[i] - '0');
    }
    return text + length;
}

int cursor_parse(const char *text, struct cursor *ret_cursor, struct error *err)
{
    struct cursor cursor;
    const char *rest = number(text, &cursor.seq);
    rest = rest && *rest == '-' ? number(rest + 1, &cursor.n) : NULL;
    if (!rest || *rest) {
        error_set_field(err, ERR_VALIDATION, "Last-Event-ID",
                        "Last-Event-ID is not the id of one of this server's events");
        return error_hint(err, "Send the last 'id:' that the stream gave, or leave it out.");
    }
    *ret_cursor = cursor;
    return 0;
}
