/*
 * What a machine is at one moment: its memory, its devices, its disk. For helper processes: everything blocks, each
 * call with deadlines of its own.
 *
 * A machine's directory, a snapshot's and a seed's hold VM_BASE_NAME, what the memory is a private copy of; a directory
 * of saved memory (VM_SAVED_NAME in a machine's or snapshot's) holds an about, VM_DEVICE_NAME and, unless the memory is just
 * that of the base, VM_MEMORY_NAME.
 */
#ifndef ATOLL_ENGINE_VM_STATE_H
#define ATOLL_ENGINE_VM_STATE_H

#include "engine/vm/about.h"
#include "engine/vm/internal.h"
#include "engine/vm/known.h"
#include "engine/vm/layers.h"
#include "linux/qmp.h"

#include <sys/types.h>

#define VM_MEMORY_NAME     "memory"
#define VM_DEVICE_NAME     "device"
#define VM_BASE_NAME       "memory.base"
#define VM_ROOT_NAME       "root.ext4"
#define VM_SAVED_NAME      "saved"
#define VM_UNFINISHED_NAME "saved.tmp" /* saved/ in the making */
#define VM_RESUMED_NAME    "resumed"   /* saved/ until it is recorded that the machine runs on */

#define VM_DISK_DEVICE "disk" /* id of the block device of the sandbox's disk */

enum {
    VM_QMP_MS = 10 * 1000,
    VM_STATE_SET = 900, /* descriptor sets: of device states, */
    VM_TOP_SET = 1000,  /* and from here on of new tops */
};

/* Writes the state of all devices, without memory, into the empty file device_fd, which is open for writing only. The
 * machine must have been stopped. */
int device_save(struct qmp *qmp, int device_fd, struct error *err);

/* Loads what device_save wrote, into a machine that was started with "-S -incoming defer" and whose memory is in place. */
int device_load(struct qmp *qmp, int device_fd, struct error *err);

/* Can saved/ of that directory be used here? Facts, sizes, digests. -1 with err: ERR_NOT_RESTORABLE, the reason. */
int saved_check(const struct engine *engine, int directory_fd, struct error *err);

/* Brings saved/ of that directory into a machine that was started on its base with "-S -incoming defer". It stands
 * still then; nothing of the guest has run. pid: QEMU's as this process's /proc has it. */
int saved_restore(int directory_fd, struct qmp *qmp, pid_t pid, struct error *err);

/* Before it is recorded that it runs: saved/ goes aside; then it may go. */
int saved_commit(int directory_fd, struct error *err);
void saved_forget(int directory_fd);

/* Removes what is left of one that was not finished, or is of no use. */
void saved_discard(int directory_fd, const char *name);

bool saved_exists(int directory_fd, const char *name);
/* A descriptor; -1 with err: ERR_NOT_RESTORABLE. */
int saved_open(int directory_fd, struct error *err);

/* The part of saved_check that does not ask for the host: are the files whole? */
int saved_check_files(struct vm_known *known, int directory_fd, struct vm_about *ret_about,
                      struct error *err);

/* QMP "stop" and "cont"; each is fine when it is so already. A machine that is still loading does not continue. */
int machine_stop(struct qmp *qmp, struct error *err);
int machine_continue(struct qmp *qmp, struct error *err);

#endif
