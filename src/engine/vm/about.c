#include "engine/vm/about.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines "key value" in this order; a change of the machine itself (its devices) is a new version, too. */
#define VERSION_LINE "atoll-machine 1"

#define TEXTS(X)                                                                                   \
    X("template", shape.template_image)                                                            \
    X("template_digest", shape.template_digest)                                                    \
    X("guest_digest", shape.facts.guest_digest)                                                    \
    X("qemu", shape.facts.qemu_version)                                                            \
    X("accel", shape.facts.accel)                                                                  \
    X("cpu_model", shape.facts.cpu_model)
#define NUMBERS(X)                                                                                 \
    X("cpu_count", shape.cpu_count)                                                                \
    X("memory_bytes", shape.memory_bytes)                                                          \
    X("disk_bytes", shape.disk_bytes)
#define DIGESTS(X)                                                                                 \
    X("base", base_digest)                                                                         \
    X("memory", memory_digest)                                                                     \
    X("device", device_digest)

size_t vm_shape_print(const struct vm_shape *shape, char text[VM_ABOUT_MAX_BYTES])
{
    const struct vm_about whole = {.shape = *shape}, *about = &whole;
    int length = snprintf(text, VM_ABOUT_MAX_BYTES, VERSION_LINE "\n");
#define X(key, member)                                                                             \
    length +=                                                                                      \
        snprintf(text + length, VM_ABOUT_MAX_BYTES - (size_t)length, key " %s\n", about->member);
    TEXTS(X)
#undef X
#define X(key, member)                                                                             \
    length += snprintf(text + length, VM_ABOUT_MAX_BYTES - (size_t)length, key " %" PRId64 "\n",   \
                       about->member);
    NUMBERS(X)
#undef X
    return (size_t)length;
}

size_t vm_about_print(const struct vm_about *about, char text[VM_ABOUT_MAX_BYTES])
{
    size_t length = vm_shape_print(&about->shape, text);
#define X(key, member)                                                                             \
    length +=                                                                                      \
        (size_t)snprintf(text + length, VM_ABOUT_MAX_BYTES - length, key " %s\n", about->member);
    DIGESTS(X)
#undef X
    assert(length < VM_ABOUT_MAX_BYTES); /* all members together are shorter */
    return length;
}

/* The value of the line at *at, which must be of that key; moves on to the next line. */
static bool take_value(const char **at, const char *key, char *value, size_t size)
{
    size_t key_length = strlen(key);
    const char *end = strchr(*at, '\n');
    if (!end || strncmp(*at, key, key_length) != 0 || (*at)[key_length] != ' ') {
        return false;
    }
    const char *from = *at + key_length + 1;
    size_t length = end < from ? size : (size_t)(end - from);
    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(value, from, length);
    value[length] = '\0';
    *at = end + 1;
    return true;
}

static bool take_number(const char **at, const char *key, int64_t *ret_number)
{
    char value[24], again[24];
    if (!take_value(at, key, value, sizeof(value))) {
        return false;
    }
    *ret_number = strtoll(value, NULL, 10);
    snprintf(again, sizeof(again), "%" PRId64, *ret_number);
    return *ret_number > 0 && strcmp(value, again) == 0;
}

static bool is_digest(const char *text)
{
    return strcmp(text, "-") == 0 || (strlen(text) == ENGINE_DIGEST_SIZE - 1 &&
                                      strspn(text, "0123456789abcdef") == ENGINE_DIGEST_SIZE - 1);
}

static bool parse(const char *at, struct vm_about *about)
{
    size_t version_length = strlen(VERSION_LINE "\n");
    if (strncmp(at, VERSION_LINE "\n", version_length) != 0) {
        return false;
    }
    at += version_length;
#define X(key, member) &&take_value(&at, key, about->member, sizeof(about->member))
#define Y(key, member) &&take_number(&at, key, &about->member)
#define Z(key, member) &&is_digest(about->member)
    return true TEXTS(X) NUMBERS(Y) DIGESTS(X) DIGESTS(Z) && *at == '\0';
#undef X
#undef Y
#undef Z
}

int vm_about_parse(const char *text, struct vm_about *ret_about, struct error *err)
{
    struct vm_about about = {0};
    if (!parse(text, &about)) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "the description of the machine is damaged");
    }
    *ret_about = about;
    return 0;
}

int vm_shape_fits(const struct vm_shape *saved, const struct vm_shape *now, struct error *err)
{
    if (strcmp(saved->facts.qemu_version, now->facts.qemu_version) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "its memory was saved by QEMU %s, here is %s",
                         saved->facts.qemu_version, now->facts.qemu_version);
    }
    if (strcmp(saved->facts.accel, now->facts.accel) != 0) {
        return error_set(
            err, ERR_NOT_RESTORABLE, 0,
            "its memory was saved while machines ran with '%s', now they run with '%s'",
            saved->facts.accel, now->facts.accel);
    }
    if (strcmp(saved->facts.cpu_model, now->facts.cpu_model) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0,
                         "its memory was saved on the CPU '%s', here is '%s'",
                         saved->facts.cpu_model, now->facts.cpu_model);
    }
    if (saved->cpu_count != now->cpu_count || saved->memory_bytes != now->memory_bytes) {
        return error_set(err, ERR_NOT_RESTORABLE, 0,
                         "its memory was saved with %" PRId64 " CPUs and %" PRId64
                         " bytes of memory",
                         saved->cpu_count, saved->memory_bytes);
    }
    return 0;
}
