#include "api/utf8_json.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

/* Length of the character at bytes, or minus the length of the maximal bad part (Unicode's advice). */
static int character_length(const char *bytes, size_t length)
{
    struct utf8_check check = {0};
    if (!utf8_check(&check, bytes, 1)) {
        return -1;
    }
    int used = 1;
    while (!utf8_check_complete(&check)) {
        if ((size_t)used == length || !utf8_check(&check, bytes + used, 1)) {
            return -used;
        }
        used++;
    }
    return used;
}

/* to must hold three times the length. */
static size_t repair(const char *bytes, size_t length, char *to)
{
    size_t made = 0;
    for (size_t i = 0; i < length;) {
        int step = character_length(bytes + i, length - i);
        if (step > 0) {
            memcpy(to + made, bytes + i, (size_t)step);
            made += (size_t)step;
            i += (size_t)step;
        } else {
            memcpy(to + made, replacement, sizeof(replacement) - 1);
            made += sizeof(replacement) - 1;
            i += (size_t)-step;
        }
    }
    return made;
}

json_t *utf8_json(const char *bytes, size_t length, bool *ret_exact)
{
    *ret_exact = utf8_valid(bytes, length);
    if (*ret_exact) {
        return json_stringn_nocheck(length ? bytes : "", length);
    }
    auto_free char *text = malloc(length * (sizeof(replacement) - 1));
    if (!text) {
        return NULL;
    }
    return json_stringn_nocheck(text, repair(bytes, length, text));
}
