/*
 * The disk of a machine: a chain of images, each but the top one as it was when it was left.
 *
 * Every directory that needs an image holds a hard link to it, so that the file system counts who uses it. The text
 * file "layers" names them from the base (raw) to the top (all others qcow2, without a backing name in them),
 * each with its SHA-256, "-" while it is the top of a sandbox and written to. Their names are unique within a chain
 * and are also the names of QEMU's block nodes.
 */
#ifndef ATOLL_ENGINE_VM_LAYERS_H
#define ATOLL_ENGINE_VM_LAYERS_H

#include "engine/engine.h"

#include <jansson.h>

enum {
    VM_LAYERS_MAX = 16,  /* each costs every read of the guest a look into it */
    VM_LAYERS_SLACK = 8, /* that a chain may exceed it by until it has been shortened */
    VM_LAYER_NAME_SIZE = 24,
    VM_LAYERS_TEXT_MAX_BYTES = 8192,
};

#define VM_LAYERS_NAME "layers"
#define VM_LAYER_BASE  "blank"       /* the empty file system, raw */
#define VM_LAYER_SEED  "seed"        /* what booting wrote */
#define VM_EMPTY_NAME  "empty.qcow2" /* in a seed: what every new layer is a copy of */

struct vm_layer {
    char name[VM_LAYER_NAME_SIZE]; /* of the file */
    char digest[ENGINE_DIGEST_SIZE];
};

struct vm_layers {
    int count;
    struct vm_layer at[VM_LAYERS_MAX + VM_LAYERS_SLACK];
};

/* Pure. */
size_t vm_layers_print(const struct vm_layers *layers, char text[VM_LAYERS_TEXT_MAX_BYTES]);
int vm_layers_parse(const char *text, struct vm_layers *ret_layers, struct error *err);

/* Writes the file durably, in place of an earlier one; reads it (ERR_NOT_RESTORABLE). */
int vm_layers_write(int directory_fd, const struct vm_layers *layers, struct error *err);
int vm_layers_read(int directory_fd, struct vm_layers *ret_layers, struct error *err);

/* Adds a name for a new top to layers: "layer-<n>". ERR_ENGINE when the chain is full. */
int vm_layers_push(struct vm_layers *layers, struct error *err);

/* Makes the file of the top: a copy of empty.qcow2 of empty_directory_fd (where the sandbox's or snapshot's link to it
 * lies), owned by root; QEMU gets it opened. */
int vm_layers_make_top(int directory_fd, const struct vm_layers *layers, int empty_directory_fd,
                       struct error *err);

/* Puts a file of one directory into another: a hard link, or between file systems a sparse copy. EEXIST is no error. */
int vm_link(int from_fd, const char *name, int to_fd, const char *to_name, struct error *err);

/* The same for the first count of the layers. */
int vm_layers_link(const struct vm_layers *layers, int count, int from_fd, int to_fd,
                   struct error *err);

/*
 * For QEMU's -blockdev: the chain, nested, the top writable, every image opened through a descriptor set whose number
 * is first_set + its index; the top's set holds it for reading and writing. The caller's json_t, or NULL.
 */
json_t *vm_layers_blockdev(const struct vm_layers *layers, int first_set);

/* Opens layer index: the top for reading and writing, others for reading. -1 with err. */
int vm_layers_open(const struct vm_layers *layers, int index, int directory_fd, struct error *err);

#endif
