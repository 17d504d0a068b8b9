/* JSON bodies: taken or refused, never a crash; what is taken survives being written and read again. */
#include "http/json_body.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    json_t *body = json_body_parse((const char *)data, size, &err);
    if (!body) {
        assert(err.code == ERR_INVALID_JSON && err.message[0]);
        return 0;
    }
    assert(json_is_object(body));
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(17));
    assert(text);
    json_t *again = json_body_parse(text, strlen(text), &err);
    assert(again && json_equal(body, again));
    json_decref(again);
    json_decref(body);
    free(text);
    return 0;
}
