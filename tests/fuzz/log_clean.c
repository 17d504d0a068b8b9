/* Logs of apps: whatever a program wrote becomes printable UTF-8 that is no longer than it was. */
#include "app/log_clean.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    size_t length = log_clean(text, size);
    assert(length <= size && text[length] == '\0' && strlen(text) == length);
    assert(utf8_valid(text, length));
    assert(!memchr(text, '\x1b', length) && !memchr(text, '\r', length));
    assert(log_clean(text, length) == length);
    free(text);
    return 0;
}
