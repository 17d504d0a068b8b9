/*
 * Heads of requests: what was accepted and is written anew reads the same to the same parser, has one Host and one
 * framing, and none of what is ours to say.
 */
#include "gateway/client.h"
#include "gateway/credentials.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t count_role(const struct head *head, enum field_role role)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        count += head->fields[i].role == role;
    }
    return count;
}

static void check_forwarded(const struct head *head)
{
    static char out[128 * 1024], clean[GATEWAY_TARGET_MAX];
    char token[CREDENTIAL_SIZE];
    size_t target_length, at = 0;
    credentials_of_target(head->target, clean, &target_length, token);
    assert(target_length <= head->target.length);
    struct forward_request request = {.head = head,
                                      .target = {clean, target_length},
                                      .client_address = "192.0.2.1",
                                      .scheme = "https",
                                      .upgrades = head->upgrade.length > 0};
    size_t length = forward_request(&request, out, sizeof(out));
    assert(length > 0);
    assert(head_length(out, length, &at) == (ssize_t)length);

    static struct head again;
    struct error err = {0};
    if (head->field_count + 5 > GATEWAY_FIELDS_MAX || target_length * 3 > GATEWAY_TARGET_MAX ||
        target_length == 0) {
        return;
    }
    assert(head_parse_request(out, length, &again, &err) == 0);
    assert(again.content_length == head->content_length && again.is_chunked == head->is_chunked);
    assert(again.method.length == head->method.length && again.minor == 1);
    assert(again.host.length == head->host.length);
    assert(count_role(&again, FIELD_FORWARDED) == 3 && count_role(&again, FIELD_TOKEN) == 0);
    assert(count_role(&again, FIELD_LENGTH) + count_role(&again, FIELD_ENCODING) <= 1);
    assert(count_role(&again, FIELD_HOP) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head;
    struct error err = {0};
    size_t at = 0;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    ssize_t length = head_length(copy, size, &at);
    assert(length <= (ssize_t)size && at <= size);
    if (length > 0 && head_parse_request(copy, (size_t)length, &head, &err) == 0) {
        char host[GATEWAY_HOST_MAX + 1];
        assert(head.target.data[0] == '/' || head.target.data[0] == '*');
        assert(host_normalize(head.host, host) && !strchr(host, '/') && !strchr(host, '@'));
        check_forwarded(&head);
    } else if (length > 0) {
        assert(err.code != ERR_NONE && err.message[0]);
    }
    free(copy);
    return 0;
}
