/* Forms with files: accepted or refused, never a crash, and the same however they are cut. */
#include "api/multipart.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct outcome {
    uint64_t sum;
    int result;
};

static void mix(struct outcome *outcome, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length; i++) {
        outcome->sum = (outcome->sum ^ from[i]) * 1099511628211U;
    }
}

static int on_part(void *context, const char *name, struct error *err)
{
    (void)err;
    mix(context, name, strlen(name) + 1);
    return 0;
}

static int on_data(void *context, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    mix(context, bytes, length);
    return 0;
}

static int on_part_end(void *context, struct error *err)
{
    (void)err;
    mix(context, "|", 1);
    return 0;
}

static struct outcome parse(const char *type, const uint8_t *data, size_t size, size_t step)
{
    struct outcome outcome = {0};
    struct error err = {0};
    struct multipart_handler handler = {on_part, on_data, on_part_end, &outcome};
    struct multipart *multipart = multipart_new(type, handler, &err);
    if (!multipart) {
        outcome.result = -1;
        return outcome;
    }
    for (size_t at = 0; at < size && outcome.result == 0; at += step) {
        outcome.result =
            multipart_push(multipart, data + at, size - at < step ? size - at : step, &err);
    }
    if (outcome.result == 0) {
        outcome.result = multipart_finish(multipart, &err);
    }
    multipart_free(multipart);
    return outcome;
}

/* The first line of the input is the Content-Type; the byte before it says how to cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char type[256];
    const uint8_t *end = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    if (!end || (size_t)(end - data) > sizeof(type)) {
        return 0;
    }
    size_t length = (size_t)(end - data) - 1;
    memcpy(type, data + 1, length);
    type[length] = '\0';
    size_t rest = size - length - 2;
    struct outcome whole = parse(type, end + 1, rest, rest + 1);
    struct outcome pieces = parse(type, end + 1, rest, 1 + (size_t)data[0]);
    assert(whole.result == pieces.result);
    assert(whole.result != 0 || whole.sum == pieces.sum);
    return 0;
}
