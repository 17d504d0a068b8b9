/*
 * The chain of a running machine's disk, as QEMU has it and as its directory lists it. For helpers.
 *
 * The list is always ahead of QEMU: a new top is listed before QEMU writes to it, and one that it never came to
 * write to is empty, so whoever reads the list after any crash reads the right disk.
 */
#ifndef ATOLL_ENGINE_VM_CHAIN_H
#define ATOLL_ENGINE_VM_CHAIN_H

#include "engine/vm/layers.h"
#include "linux/qmp.h"

/* Reads the list, without what an interrupted snapshot left above the layer that QEMU writes to. */
int chain_read(struct qmp *qmp, int directory_fd, struct vm_layers *ret_layers, struct error *err);

/* Makes a new top, lists it and lets QEMU open it: layers gets it. On failure nothing is left of it. */
int chain_prepare(struct qmp *qmp, int directory_fd, struct vm_layers *layers, struct error *err);

/* QEMU writes to the prepared top from now on. The machine stands still. */
int chain_switch(struct qmp *qmp, const struct vm_layers *layers, struct error *err);

/* Undoes chain_prepare. */
void chain_drop(struct qmp *qmp, int directory_fd, struct vm_layers *layers);

/* When the chain has VM_LAYERS_MAX images: moves what all between seed and top hold into the top, while the machine runs.
 * Snapshots keep the images. A failure is one only when the chain cannot grow any more. */
int chain_shorten(struct qmp *qmp, int directory_fd, struct error *err);

#endif
