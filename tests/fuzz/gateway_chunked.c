/* The chunked coding: however the bytes are cut into reads, the content, the end and the refusal are the same. */
#include "gateway/chunked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct outcome {
    char *content;
    size_t length, consumed;
    int result;
};

/* Decodes in steps of step bytes. */
static struct outcome decode(const uint8_t *data, size_t size, size_t step)
{
    struct outcome outcome = {.content = malloc(size + 1)};
    struct chunked chunked = {0};
    char *piece = malloc(step);
    for (size_t at = 0; at < size && outcome.result == 0; at += step) {
        size_t length = size - at < step ? size - at : step, consumed, content;
        memcpy(piece, data + at, length);
        outcome.result = chunked_decode(&chunked, piece, length, &consumed, &content);
        assert(consumed <= length && content <= consumed);
        assert(outcome.result != 0 || consumed == length);
        memcpy(outcome.content + outcome.length, piece, content);
        outcome.length += content;
        outcome.consumed += consumed;
    }
    free(piece);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = decode(data, size, size + 1);
    static const size_t steps[] = {1, 3, 64};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct outcome cut = decode(data, size, steps[i]);
        assert(cut.result == whole.result && cut.consumed == whole.consumed);
        assert(cut.length == whole.length);
        assert(memcmp(cut.content, whole.content, whole.length) == 0);
        free(cut.content);
    }
    free(whole.content);
    return 0;
}
