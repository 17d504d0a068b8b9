/*
 * Saving and loading what a machine is at one moment, over QMP. For helper processes: everything blocks, each call with
 * its own deadlines.
 *
 * A directory of saved memory holds VM_MEMORY_NAME, VM_DEVICE_NAME and, in a snapshot or in a sandbox, VM_BASE_NAME, a link to the
 * seed's memory.
 */
#ifndef ATOLL_ENGINE_VM_STATE_H
#define ATOLL_ENGINE_VM_STATE_H

#include "engine/vm/about.h"
#include "engine/vm/layers.h"

#include <stdbool.h>
#include <sys/types.h>

#define VM_MEMORY_NAME "memory"
#define VM_DEVICE_NAME "device"
#define VM_BASE_NAME   "memory.base"

/* Block devices as QEMU knows them: the id of the sandbox's disk ("-device virtio-blk-pci,id=…"). */
#define VM_DISK_DEVICE "disk"

/* A running QEMU. */
struct vm_machine {
    char qmp_path[ENGINE_SOCKET_PATH_SIZE];
    pid_t pid;        /* QEMU's, as atoll-host sees it */
    int directory_fd; /* the sandbox's, with its layers and VM_BASE_NAME */
};

/* How a machine is started when its memory is to be loaded: "-S -incoming defer"; then this: memory (memory_fd -1:
 * the base alone, as for a new sandbox from its seed) and devices. It stands still afterwards, with nothing of the guest having
 * run: vm_machine_continue. ERR_NOT_RESTORABLE. */
int vm_machine_load(const struct vm_machine *machine, int memory_fd, int device_fd,
                    struct error *err);

/* Lets it run on; fine when it does. Not while it is loading: ERR_ENGINE. */
int vm_machine_continue(const char *qmp_path, struct error *err);

/* For the seed: stops the machine and writes its device state. Its memory is in its file, mapped shared. */
int vm_machine_save_devices(const char *qmp_path, int device_fd, struct error *err);

/* Asks QEMU to end; its end is the caller's to await. */
int vm_machine_quit(const char *qmp_path, struct error *err);

#endif
