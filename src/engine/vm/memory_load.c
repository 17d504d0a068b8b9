#include "engine/vm/memory.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { ZEROS_AT_ONCE = 64 /* pages */, BYTES_AT_ONCE = 64 * 1024 * 1024 };

/* A load in progress: a run of pages that lie one behind the other, to be written at once. */
struct load {
    int memory_fd; /* /proc/PID/mem: by the descriptor, whatever namespace of pids this process is in */
    const struct vm_memory_map *map;
    int segment; /* of the map, where the last page was */
    uint64_t address;
    const char *bytes; /* what the run is to hold */
    size_t size;
};

static int flush(struct load *load, struct error *err)
{
    for (size_t done = 0; done < load->size;) {
        ssize_t put = pwrite(load->memory_fd, load->bytes + done, load->size - done,
                             (off_t)(load->address + done));
        if (put <= 0) {
            return error_set(err, ERR_ENGINE, errno, "write the machine's memory");
        }
        done += (size_t)put;
    }
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

/* Appends a page to the run, or begins another one; at most max bytes are one. */
static int add(struct load *load, uint64_t page, const char *bytes, size_t max, struct error *err)
{
    uint64_t address = address_of(load, page);
    if ((load->size >= max || address != load->address + load->size) && flush(load, err) < 0) {
        return -1;
    }
    if (load->size == 0) {
        load->address = address;
        load->bytes = bytes;
    }
    load->size += VM_PAGE_BYTES;
    return 0;
}

static int load_stored(struct load load, const char *file, uint64_t page_count, struct error *err)
{
    const unsigned char *table = (const unsigned char *)file + VM_PAGE_BYTES;
    const char *bytes = file + vm_memory_data_offset(page_count);
    for (uint64_t page = 0; page < page_count; page++) {
        if (vm_memory_page(table, page) == VM_PAGE_STORED) {
            if (add(&load, page, bytes, BYTES_AT_ONCE, err) < 0) {
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
            add(&load, page, zeros, sizeof(zeros), err) < 0) {
            return -1;
        }
    }
    return flush(&load, err);
}

static int load_file(struct load *load, const char *file, uint64_t page_count, struct error *err)
{
    return load_stored(*load, file, page_count, err) < 0 ? -1
                                                         : load_zeros(*load, file, page_count, err);
}

int vm_memory_load(pid_t pid, int base_fd, int in_fd, struct error *err)
{
    struct vm_memory_map map;
    struct stat base, info;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    if (fstat(base_fd, &base) < 0 || fstat(in_fd, &info) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the saved memory");
    }
    if (vm_memory_find(pid, base_fd, &map, err) < 0) {
        return -1;
    }
    auto_close int memory_fd = open(path, O_RDWR | O_CLOEXEC);
    if (memory_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the machine's memory");
    }
    size_t length = (size_t)info.st_size;
    void *file = length > 0 ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, in_fd, 0) : MAP_FAILED;
    if (file == MAP_FAILED) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "read the saved memory");
    }
    struct load load = {.memory_fd = memory_fd, .map = &map};
    uint64_t page_count = (uint64_t)base.st_size / VM_PAGE_BYTES;
    int result = vm_memory_check(file, length, (uint64_t)base.st_size, err) < 0
                     ? -1
                     : load_file(&load, file, page_count, err);
    munmap(file, length);
    return result;
}
