/*
 * The memory of a machine as a file: the pages in which it differs from its base.
 *
 * QEMU maps the base (the seed's memory) privately, so the kernel knows which pages were written: they are
 * anonymous ones. A file of saved memory has
 *   a header of one page (struct vm_memory_header);
 *   a table of two bits a page of the memory (enum vm_page), rounded up to pages;
 *   the stored pages in order.
 * It is always relative to the base: there is no chain of them.
 */
#ifndef ATOLL_ENGINE_VM_MEMORY_H
#define ATOLL_ENGINE_VM_MEMORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_MEMORY_MAGIC "atoll-memory 1\n"

enum { VM_PAGE_BYTES = 4096, VM_MEMORY_SEGMENTS_MAX = 64 };

enum vm_page { VM_PAGE_BASE, VM_PAGE_STORED, VM_PAGE_ZERO };

struct vm_memory_header {
    char magic[16];
    uint64_t page_bytes;
    uint64_t page_count;   /* of the whole memory */
    uint64_t stored_count; /* in the file */
};

/* Writes what differs into the empty file out_fd; the machine must stand still. base_fd: its base, whose size is that
 * of the memory. Not durable before an fsync. ERR_ENGINE: QEMU does not have its memory where it belongs;
 * ERR_CAPACITY. */
int vm_memory_save(pid_t pid, int base_fd, int out_fd, struct error *err);

/* Puts what was saved into the memory of a machine that was just started on that base. ERR_NOT_RESTORABLE: the file is
 * not one of these or does not fit the base. */
int vm_memory_load(pid_t pid, int base_fd, int in_fd, struct error *err);

/* Checks the header and the table of a file of that length. Pure. */
int vm_memory_check(const void *file, size_t length, uint64_t base_bytes, struct error *err);

/* Where the table begins and the stored pages do. */
size_t vm_memory_data_offset(uint64_t page_count);

static inline enum vm_page vm_memory_page(const unsigned char *table, uint64_t page)
{
    return (enum vm_page)(table[page / 4] >> (page % 4 * 2) & 3);
}

/* Where QEMU has its base. */
struct vm_memory_segment {
    uint64_t address;
    uint64_t offset; /* in the base */
    uint64_t length;
};

struct vm_memory_map {
    int count;
    struct vm_memory_segment
        at[VM_MEMORY_SEGMENTS_MAX]; /* in the order of the offsets, without gaps */
};

/* -1 with err: ERR_ENGINE. */
int vm_memory_find(pid_t pid, int base_fd, struct vm_memory_map *ret_map, struct error *err);

#endif
