/*
 * The memory of a machine as a file: the pages in which it differs from its base.
 *
 * QEMU maps the base (the seed's memory) privately, so the kernel knows which pages the guest or QEMU has written:
 * they are the anonymous ones. A file of saved memory has
 *   a header of one page: VM_MEMORY_MAGIC, the page size, the number of pages of the whole memory and of those stored;
 *   a table of two bits a page (enum vm_page), rounded up to pages;
 *   the stored pages in order.
 * It is always relative to the base, so there is no chain of them.
 */
#ifndef ATOLL_ENGINE_VM_MEMORY_H
#define ATOLL_ENGINE_VM_MEMORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_MEMORY_MAGIC "atoll-memory 1\n"

enum { VM_PAGE_BYTES = 4096 };

enum vm_page { VM_PAGE_BASE, VM_PAGE_STORED, VM_PAGE_ZERO };

struct vm_memory_header {
    char magic[16];
    uint64_t page_bytes;
    uint64_t page_count;   /* of the whole memory */
    uint64_t stored_count; /* in the file */
};

/* Writes what differs into the empty file out_fd; the machine must stand still. base_fd: its base, whose size is the
 * size of the memory. Durable only after an fsync. ERR_ENGINE: QEMU does not have its memory where it belongs;
 * ERR_CAPACITY. */
int vm_memory_save(pid_t pid, int base_fd, int out_fd, struct error *err);

/* Puts what was saved into the memory of a machine that was just started on that base and has not loaded its device state.
 * ERR_NOT_RESTORABLE: the file is not one of these or does not fit the base. */
int vm_memory_load(pid_t pid, int base_fd, int in_fd, struct error *err);

/* Pure: checks a header and its table. length: of the whole file. */
int vm_memory_check(const void *file, size_t length, uint64_t base_bytes, struct error *err);

#endif
