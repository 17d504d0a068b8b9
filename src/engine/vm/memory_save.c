#include "engine/vm/memory.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { AT_ONCE = 256 /* pages; each may be an iovec of its own */, ENTRIES_AT_ONCE = 8192 };

/* Of an entry of /proc/PID/pagemap. */
static const uint64_t page_present = 1ULL << 63, page_swapped = 1ULL << 62,
                      page_of_file = 1ULL << 61;

/* A save in progress: pages are collected, read together and written. */
struct save {
    pid_t pid;
    int pagemap_fd, out_fd;
    unsigned char *table;
    size_t table_bytes;
    uint64_t stored_count;
    int count; /* of those collected */
    uint64_t pages[AT_ONCE];
    struct iovec remote[AT_ONCE];
    char *buffer; /* AT_ONCE pages */
    uint64_t *entries;
};

static int fail(struct error *err, const char *what)
{
    return error_set(err, errno == ENOSPC || errno == EFBIG ? ERR_CAPACITY : ERR_ENGINE, errno,
                     "%s", what);
}

static bool is_zero(const char *page)
{
    return page[0] == 0 && memcmp(page, page + 1, VM_PAGE_BYTES - 1) == 0;
}

/* Reads what was collected and writes what is not zero. */
static int flush(struct save *save, struct error *err)
{
    size_t size = (size_t)save->count * VM_PAGE_BYTES, kept = 0;
    struct iovec local = {.iov_base = save->buffer, .iov_len = size};
    if (size > 0 && process_vm_readv(save->pid, &local, 1, save->remote, (unsigned long)save->count,
                                     0) != (ssize_t)size) {
        return fail(err, "read the machine's memory");
    }
    for (int i = 0; i < save->count; i++) {
        char *page = save->buffer + (size_t)i * VM_PAGE_BYTES;
        bool zero = is_zero(page);
        unsigned kind = zero ? VM_PAGE_ZERO : VM_PAGE_STORED;
        save->table[save->pages[i] / 4] |= (unsigned char)(kind << (save->pages[i] % 4 * 2));
        if (!zero) {
            memmove(save->buffer + kept, page, VM_PAGE_BYTES);
            kept += VM_PAGE_BYTES;
        }
    }
    save->count = 0;
    save->stored_count += kept / VM_PAGE_BYTES;
    return write_all(save->out_fd, save->buffer, kept) < 0 ? fail(err, "write the machine's memory")
                                                           : 0;
}

static bool is_written(uint64_t entry)
{
    return (entry & (page_present | page_swapped)) != 0 && (entry & page_of_file) == 0;
}

/* entries: of count pages from that address on, which are pages of the memory from page on. */
static int save_entries(struct save *save, uint64_t address, uint64_t page, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_written(save->entries[i])) {
            continue;
        }
        save->pages[save->count] = page + i;
        save->remote[save->count] = (struct iovec){
            .iov_base = (void *)(uintptr_t)(address + i * VM_PAGE_BYTES), .iov_len = VM_PAGE_BYTES};
        if (++save->count == AT_ONCE && flush(save, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int save_segment(struct save *save, const struct vm_memory_segment *segment,
                        struct error *err)
{
    uint64_t first = segment->offset / VM_PAGE_BYTES, count = segment->length / VM_PAGE_BYTES;
    for (uint64_t done = 0; done < count;) {
        uint64_t address = segment->address + done * VM_PAGE_BYTES;
        uint64_t some = count - done < ENTRIES_AT_ONCE ? count - done : ENTRIES_AT_ONCE;
        size_t size = (size_t)some * sizeof(uint64_t);
        off_t at = (off_t)(address / VM_PAGE_BYTES * sizeof(uint64_t));
        if (pread(save->pagemap_fd, save->entries, size, at) != (ssize_t)size) {
            return fail(err, "see what the machine has written");
        }
        if (save_entries(save, address, first + done, (size_t)some, err) < 0) {
            return -1;
        }
        done += some;
    }
    return 0;
}

static int save_all(struct save *save, const struct vm_memory_map *map, uint64_t page_count,
                    struct error *err)
{
    struct vm_memory_header header = {
        .magic = VM_MEMORY_MAGIC, .page_bytes = VM_PAGE_BYTES, .page_count = page_count};
    off_t data = (off_t)vm_memory_data_offset(page_count);
    if (lseek(save->out_fd, data, SEEK_SET) != data) {
        return fail(err, "write the machine's memory");
    }
    for (int i = 0; i < map->count; i++) {
        if (save_segment(save, &map->at[i], err) < 0) {
            return -1;
        }
    }
    if (flush(save, err) < 0) {
        return -1;
    }
    header.stored_count = save->stored_count;
    data += (off_t)save->stored_count * VM_PAGE_BYTES; /* of none stored, the table is all */
    if (pwrite(save->out_fd, &header, sizeof(header), 0) != sizeof(header) ||
        pwrite(save->out_fd, save->table, save->table_bytes, VM_PAGE_BYTES) !=
            (ssize_t)save->table_bytes ||
        ftruncate(save->out_fd, data) < 0) {
        return fail(err, "write the machine's memory");
    }
    return 0;
}

int vm_memory_save(pid_t pid, int base_fd, int out_fd, struct error *err)
{
    struct vm_memory_map map;
    struct stat base;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
    if (fstat(base_fd, &base) < 0 || vm_memory_find(pid, base_fd, &map, err) < 0) {
        return -1;
    }
    auto_close int pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t page_count = (uint64_t)base.st_size / VM_PAGE_BYTES;
    size_t table_bytes = (size_t)(page_count + 3) / 4;
    auto_free unsigned char *table = calloc(1, table_bytes);
    auto_free char *buffer = malloc((size_t)AT_ONCE * VM_PAGE_BYTES);
    auto_free uint64_t *entries = malloc(ENTRIES_AT_ONCE * sizeof(*entries));
    if (pagemap_fd < 0 || !table || !buffer || !entries) {
        return fail(err, "see what the machine has written");
    }
    struct save save = {.pid = pid,
                        .pagemap_fd = pagemap_fd,
                        .out_fd = out_fd,
                        .table = table,
                        .table_bytes = table_bytes,
                        .buffer = buffer,
                        .entries = entries};
    return save_all(&save, &map, page_count, err);
}
