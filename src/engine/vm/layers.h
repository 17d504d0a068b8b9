/*
 * The disk of a machine: a chain of images, each but the topmost as it was when it was left.
 *
 * Every directory that needs an image holds a hard link to it, so that the file system counts who uses it. The text
 * file "layers" names them from the base (raw) to the top (all others qcow2, without a backing name in them), each
 * with its SHA-256, "-" while it is the top of a sandbox and written to. The names are unique within a chain and
 * are also those of QEMU's block nodes.
 */
#ifndef ATOLL_ENGINE_VM_LAYERS_H
#define ATOLL_ENGINE_VM_LAYERS_H

#include "engine/engine.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    VM_LAYERS_MAX = 16,  /* each costs every read of the guest a look into it */
    VM_LAYERS_SLACK = 8, /* by which a chain may pass it until it has been shortened */
    VM_LAYER_NAME_SIZE = 24,
    VM_LAYERS_TEXT_MAX_BYTES = 4096,
};

#define VM_LAYERS_NAME "layers"
#define VM_LAYER_BASE  "blank"       /* the empty file system */
#define VM_LAYER_SEED  "seed"        /* what booting wrote */
#define VM_EMPTY_NAME  "empty.qcow2" /* what every new layer is a copy of; in each directory */

struct vm_layer {
    char name[VM_LAYER_NAME_SIZE]; /* of the file */
    char digest[ENGINE_DIGEST_SIZE];
};

struct vm_layers {
    int count;
    struct vm_layer at[VM_LAYERS_MAX + VM_LAYERS_SLACK]; /* base first */
};

/* Pure; the length of the text, and -1 with err: ERR_NOT_RESTORABLE. */
size_t vm_layers_print(const struct vm_layers *layers, char text[VM_LAYERS_TEXT_MAX_BYTES]);
int vm_layers_parse(const char *text, struct vm_layers *ret_layers, struct error *err);

/* Writes the file whole, in place of an earlier one, and onto the disk (its name not yet). */
int vm_layers_write(int directory_fd, const struct vm_layers *layers, struct error *err);
int vm_layers_read(int directory_fd, struct vm_layers *ret_layers, struct error *err);

/* Appends a layer of that name; NULL: one that no layer of the chain has. -1 when there is no room. */
int vm_layers_push(struct vm_layers *layers, const char *name, struct error *err);

/* The index of that layer, or -1. */
int vm_layers_find(const struct vm_layers *layers, const char *name);

/* Makes the file of the top anew: a copy of the directory's VM_EMPTY_NAME, on the disk. */
int vm_layers_make_top(int directory_fd, const struct vm_layers *layers, struct error *err);

/* Opens a layer, to be written or only read. A descriptor, or -1 with err. */
int vm_layers_open(const struct vm_layers *layers, int index, int directory_fd, bool writable,
                   struct error *err);

/* Links the first count layers of one directory into another. */
int vm_layers_link(const struct vm_layers *layers, int count, int from_fd, int to_fd,
                   struct error *err);

/* For -blockdev: the whole chain, nested; layer i is opened as "/dev/fdset/<first_set + i>", where the top is held
 * for reading and for writing. The caller's; NULL without memory. */
json_t *vm_layers_blockdev(const struct vm_layers *layers, int first_set);

/* For blockdev-add: a new top that has nothing below it yet. */
json_t *vm_layer_blockdev(const char *name, int set);

/* Puts a file of one directory into another under a name that is free there: a hard link, or a sparse copy on the disk
 * where that is not possible. ERR_CAPACITY, ERR_NOT_RESTORABLE (there is no such file), ERR_ENGINE. */
int vm_link(int from_fd, const char *name, int to_fd, const char *to_name, struct error *err);

#endif
