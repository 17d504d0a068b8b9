/* JSON that carries a file: accepted or refused, never a crash, and the same however it is cut. */
#include "api/upload_json.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* What came out: lengths and a checksum tell two runs apart. */
struct outcome {
    uint64_t sum;
    int result;
    enum error_code code;
};

static void mix(struct outcome *outcome, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length; i++) {
        outcome->sum = (outcome->sum ^ from[i]) * 1099511628211U;
    }
}

static int on_text(void *context, const char *text, struct error *err)
{
    (void)err;
    mix(context, text, strlen(text) + 1);
    return 0;
}

static int on_content(void *context, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    mix(context, bytes, length);
    return 0;
}

static struct outcome parse(const uint8_t *data, size_t size, size_t step, bool plain)
{
    struct outcome outcome = {0};
    struct error err = {0};
    struct upload_json_handler handler = {on_text, on_text, on_content, &outcome};
    struct upload_json *parser = upload_json_new(plain, handler);
    for (size_t at = 0; at < size && outcome.result == 0; at += step) {
        outcome.result =
            upload_json_push(parser, data + at, size - at < step ? size - at : step, &err);
    }
    if (outcome.result == 0) {
        outcome.result = upload_json_finish(parser, &err);
    }
    outcome.code = err.code;
    upload_json_free(parser);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    bool plain = data[0] & 1;
    size_t step = 1 + data[0] / 2;
    struct outcome whole = parse(data + 1, size - 1, size, plain);
    struct outcome pieces = parse(data + 1, size - 1, step, plain);
    assert(whole.result == pieces.result);
    assert(whole.result != 0 || whole.sum == pieces.sum);
    return 0;
}
