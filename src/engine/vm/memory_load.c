#include "engine/vm/memory.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
    RUNS_AT_ONCE = 256,
    ZEROS_AT_ONCE = 64 /* pages */,
    BYTES_AT_ONCE = 64 * 1024 * 1024, /* one call moves less than 2 GiB */
};

/* A load in progress: runs of pages that lie together in the machine's memory, to be written together. */
struct load {
    pid_t pid;
    const struct vm_memory_map *map;
    int segment;       /* of the map, where the page is */
    const char *bytes; /* what the collected runs are to hold */
    size_t size;
    struct iovec runs[RUNS_AT_ONCE];
    int count;
};

static int flush(struct load *load, struct error *err)
{
    struct iovec local = {.iov_base = (void *)load->bytes, .iov_len = load->size};
    if (load->count > 0 &&
        process_vm_writev(load->pid, &local, 1, load->runs, (unsigned long)load->count, 0) !=
            (ssize_t)load->size) {
        return error_set(err, ERR_ENGINE, errno, "write the machine's memory");
    }
    load->count = 0;
    load->size = 0;
    return 0;
}

static uint64_t address_of(struct load *load, uint64_t page)
{
    const struct vm_memory_segment *segment = &load->map->at[load->segment];
    while (page * VM_PAGE_BYTES - segment->offset >= segment->length) {
        segment++;
        load->segment++;
    }
    return segment->address + (page * VM_PAGE_BYTES - segment->offset);
}

/* Appends a page to the last run or begins one. */
static int add(struct load *load, uint64_t page, const char *bytes, struct error *err)
{
    char *address = (char *)(uintptr_t)address_of(load, page);
    struct iovec *last = load->count > 0 ? &load->runs[load->count - 1] : NULL;
    if (load->size == 0) {
        load->bytes = bytes;
    }
    load->size += VM_PAGE_BYTES;
    if (last && (char *)last->iov_base + last->iov_len == address) {
        last->iov_len += VM_PAGE_BYTES;
        return load->size >= BYTES_AT_ONCE ? flush(load, err) : 0;
    }
    load->runs[load->count++] = (struct iovec){.iov_base = address, .iov_len = VM_PAGE_BYTES};
    return load->count == RUNS_AT_ONCE ? flush(load, err) : 0;
}

static int load_stored(struct load load, const char *file, uint64_t page_count, struct error *err)
{
    const unsigned char *table = (const unsigned char *)file + VM_PAGE_BYTES;
    const char *bytes = file + vm_memory_data_offset(page_count);
    for (uint64_t page = 0; page < page_count; page++) {
        if (vm_memory_page(table, page) == VM_PAGE_STORED) {
            if (add(&load, page, bytes, err) < 0) {
                return -1;
            }
            bytes += VM_PAGE_BYTES;
        }
    }
    return flush(&load, err);
}

static int load_zeros(struct load load, const char *file, uint64_t page_count, struct error *err)
{
    static const char zeros[ZEROS_AT_ONCE * VM_PAGE_BYTES];
    const unsigned char *table = (const unsigned char *)file + VM_PAGE_BYTES;
    for (uint64_t page = 0; page < page_count; page++) {
        if (vm_memory_page(table, page) == VM_PAGE_ZERO &&
            (add(&load, page, zeros, err) < 0 ||
             (load.size == sizeof(zeros) && flush(&load, err) < 0))) {
            return -1;
        }
    }
    return flush(&load, err);
}

int vm_memory_load(pid_t pid, int base_fd, int in_fd, struct error *err)
{
    struct vm_memory_map map;
    struct stat base, info;
    if (fstat(base_fd, &base) < 0 || fstat(in_fd, &info) < 0 ||
        vm_memory_find(pid, base_fd, &map, err) < 0) {
        return -1;
    }
    size_t length = (size_t)info.st_size;
    void *file = length > 0 ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, in_fd, 0) : MAP_FAILED;
    if (file == MAP_FAILED) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "read the saved memory");
    }
    struct load load = {.pid = pid, .map = &map};
    uint64_t page_count = (uint64_t)base.st_size / VM_PAGE_BYTES;
    int result = vm_memory_check(file, length, (uint64_t)base.st_size, err) < 0 ||
                         load_stored(load, file, page_count, err) < 0 ||
                         load_zeros(load, file, page_count, err) < 0
                     ? -1
                     : 0;
    munmap(file, length);
    return result;
}
