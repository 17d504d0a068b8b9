/* Last-Event-ID: what is taken is written again as a cursor of the same place. And lists of types. */
#include "events/cursor.h"
#include "events/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = malloc(length + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, bytes, length);
    text[length] = '\0';
    struct cursor cursor, again;
    struct error err = {0};
    char printed[CURSOR_SIZE];
    if (cursor_parse(text, &cursor, &err) == 0 &&
        (cursor_parse(cursor_print(&cursor, printed), &again, &err) < 0 ||
         cursor.seq != again.seq || cursor.n != again.n || cursor.seq < 0 || cursor.n < 0)) {
        abort();
    }
    /* Without commas and wildcards a list is one name, and matches that. */
    if (!event_type_matches("*", text) ||
        (!strpbrk(text, ",*") && !event_type_matches(text, text))) {
        abort();
    }
    event_type_matches(text, "sandbox.created");
    free(text);
    return 0;
}
