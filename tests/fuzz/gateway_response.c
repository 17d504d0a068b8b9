/* Heads of responses from a sandbox's server: what is written anew reads the same, with the framing that we chose. */
#include "gateway/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head, again;
    static char out[128 * 1024];
    struct error err = {0};
    size_t at = 0, again_at = 0;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    ssize_t length = head_length(copy, size, &at);
    if (length <= 0 || head_parse_response(copy, (size_t)length, &head, &err) != 0) {
        assert(length <= 0 || err.code == ERR_UPSTREAM);
        free(copy);
        return 0;
    }
    assert(head.status >= 100 && head.status <= 599);
    assert(!(head.is_chunked && head.content_length >= 0));
    struct forward_response response = {.head = &head,
                                        .set_cookie = "Set-Cookie: atoll_preview=x\r\n",
                                        .is_chunked = head.is_chunked,
                                        .has_length = head.content_length >= 0,
                                        .closes = size % 2};
    size_t written = forward_response(&response, out, sizeof(out));
    assert(written > 0 && head_length(out, written, &again_at) == (ssize_t)written);
    if (head.field_count + 4 <= GATEWAY_FIELDS_MAX) {
        assert(head_parse_response(out, written, &again, &err) == 0);
        assert(again.status == head.status && again.content_length == head.content_length);
        assert(again.is_chunked == head.is_chunked);
    }
    free(copy);
    return 0;
}
