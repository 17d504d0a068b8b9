/* Host names: what is taken from one is a label, and the name was one of ours. */
#include "gateway/host_name.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_label(const char *label)
{
    size_t length = strlen(label);
    assert(length > 0 && length < HOST_LABEL_SIZE);
    assert(strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == length);
}

/* The parts, put together again, are the name. */
static void check_whole(const char *host, const struct host_name *name)
{
    char again[512];
    if (name->kind == HOST_NAME_SANDBOX && name->port) {
        snprintf(again, sizeof(again), "%d-%s.sandbox.localhost", name->port, name->label);
    } else if (name->kind == HOST_NAME_SANDBOX) {
        snprintf(again, sizeof(again), "%s.sandbox.localhost", name->label);
    } else {
        check_label(name->tenant);
        snprintf(again, sizeof(again), "%s.%s.localhost", name->label, name->tenant);
    }
    assert(strcmp(again, host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *host = malloc(size + 1);
    struct host_name name;
    memcpy(host, data, size);
    host[size] = '\0';
    host_name_parse(host, "localhost", &name);
    if (name.kind == HOST_NAME_SANDBOX || name.kind == HOST_NAME_DEPLOYMENT) {
        check_label(name.label);
        check_whole(host, &name);
    } else if (name.kind == HOST_NAME_CUSTOM) {
        assert(host_name_valid(host));
    }
    free(host);
    return 0;
}
