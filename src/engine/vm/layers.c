#include "engine/vm/layers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS_SIZE = VM_LAYERS_MAX + VM_LAYERS_SLACK };

static const char numbered[] = "layer-";

size_t vm_layers_print(const struct vm_layers *layers, char text[VM_LAYERS_TEXT_MAX_BYTES])
{
    size_t length = 0;
    for (int i = 0; i < layers->count; i++) {
        length += (size_t)snprintf(text + length, VM_LAYERS_TEXT_MAX_BYTES - length, "%s %s\n",
                                   layers->at[i].name, layers->at[i].digest);
    }
    assert(length < VM_LAYERS_TEXT_MAX_BYTES);
    return length;
}

/* The number of "layer-<n>", 0 for the other names, -1: no name of ours. */
static long number_of(const char *name)
{
    char again[VM_LAYER_NAME_SIZE];
    if (strcmp(name, VM_LAYER_BASE) == 0 || strcmp(name, VM_LAYER_SEED) == 0) {
        return 0;
    }
    if (strncmp(name, numbered, strlen(numbered)) != 0) {
        return -1;
    }
    long number = strtol(name + strlen(numbered), NULL, 10);
    snprintf(again, sizeof(again), "%s%ld", numbered, number);
    return number > 0 && number < 1000000000 && strcmp(name, again) == 0 ? number : -1;
}

static bool is_digest(const char *text)
{
    return strcmp(text, "-") == 0 || (strlen(text) == ENGINE_DIGEST_SIZE - 1 &&
                                      strspn(text, "0123456789abcdef") == ENGINE_DIGEST_SIZE - 1);
}

/* One line; the length of it, or 0. */
static size_t parse_line(const char *line, struct vm_layer *layer)
{
    int end = 0;
    if (sscanf(line, "%23[a-z0-9-]%*1[ ]%64[-a-f0-9]%n", layer->name, layer->digest, &end) != 2) {
        return 0;
    }
    return line[end] == '\n' && number_of(layer->name) >= 0 && is_digest(layer->digest)
               ? (size_t)end + 1
               : 0;
}

int vm_layers_parse(const char *text, struct vm_layers *ret_layers, struct error *err)
{
    struct vm_layers layers = {0};
    while (*text) {
        struct vm_layer layer = {0};
        size_t length = layers.count < LAYERS_SIZE ? parse_line(text, &layer) : 0;
        bool first = layers.count == 0;
        if (length == 0 || vm_layers_find(&layers, layer.name) >= 0 ||
            first != (strcmp(layer.name, VM_LAYER_BASE) == 0)) {
            return error_set(err, ERR_NOT_RESTORABLE, 0,
                             "the list of the disk's images is damaged");
        }
        layers.at[layers.count++] = layer;
        text += length;
    }
    if (layers.count == 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "the list of the disk's images is empty");
    }
    *ret_layers = layers;
    return 0;
}

int vm_layers_push(struct vm_layers *layers, const char *name, struct error *err)
{
    long number = 0;
    if (layers->count == LAYERS_SIZE) {
        return error_set(err, ERR_ENGINE, 0, "the disk has too many images");
    }
    for (int i = 0; i < layers->count; i++) {
        long other = number_of(layers->at[i].name);
        number = other > number ? other : number;
    }
    struct vm_layer *layer = &layers->at[layers->count++];
    *layer = (struct vm_layer){.digest = "-"};
    if (name) {
        snprintf(layer->name, sizeof(layer->name), "%s", name);
    } else {
        snprintf(layer->name, sizeof(layer->name), "%s%ld", numbered, number + 1);
    }
    return 0;
}

int vm_layers_find(const struct vm_layers *layers, const char *name)
{
    for (int i = 0; i < layers->count; i++) {
        if (strcmp(layers->at[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Nothing in an image is followed (backing: explicit, or none), nothing is locked: only a top is written, by one. */
static json_t *image(const char *name, int set, bool top)
{
    char path[32];
    snprintf(path, sizeof(path), "/dev/fdset/%d", set);
    bool raw = strcmp(name, VM_LAYER_BASE) == 0;
    return json_pack("{s:s, s:s, s:b, s:{s:s, s:s, s:s, s:b}}", "driver", raw ? "raw" : "qcow2",
                     "node-name", name, "read-only", !top, "file", "driver", "file", "filename",
                     path, "locking", "off", "read-only", !top);
}

json_t *vm_layers_blockdev(const struct vm_layers *layers, int first_set)
{
    json_t *chain = NULL;
    for (int i = 0; i < layers->count; i++) {
        json_t *node = image(layers->at[i].name, first_set + i, i == layers->count - 1);
        if (chain && json_object_set_new(node, "backing", chain) < 0) {
            json_decref(node);
            return NULL;
        }
        chain = node;
    }
    return chain;
}

json_t *vm_layer_blockdev(const char *name, int set)
{
    json_t *node = image(name, set, true);
    json_object_set_new(node, "backing", json_null());
    return node;
}
