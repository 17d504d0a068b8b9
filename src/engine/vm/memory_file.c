#include "engine/vm/memory.h"

#include <string.h>

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + VM_PAGE_BYTES - 1) / VM_PAGE_BYTES * VM_PAGE_BYTES;
}

size_t vm_memory_data_offset(uint64_t page_count)
{
    return VM_PAGE_BYTES + round_up((page_count + 3) / 4);
}

static int damaged(struct error *err)
{
    return error_set(err, ERR_NOT_RESTORABLE, 0, "the saved memory is damaged");
}

static int check_table(const unsigned char *table, const struct vm_memory_header *header,
                       struct error *err)
{
    uint64_t stored_count = 0;
    for (uint64_t page = 0; page < header->page_count; page++) {
        enum vm_page kind = vm_memory_page(table, page);
        if (kind > VM_PAGE_ZERO) {
            return damaged(err);
        }
        stored_count += kind == VM_PAGE_STORED;
    }
    return stored_count == header->stored_count ? 0 : damaged(err);
}

int vm_memory_check(const void *file, size_t length, uint64_t base_bytes, struct error *err)
{
    struct vm_memory_header header;
    if (length < VM_PAGE_BYTES) {
        return damaged(err);
    }
    memcpy(&header, file, sizeof(header));
    if (memcmp(header.magic, VM_MEMORY_MAGIC, sizeof(header.magic)) != 0 ||
        header.page_bytes != VM_PAGE_BYTES) {
        return damaged(err);
    }
    if (header.page_count != base_bytes / VM_PAGE_BYTES) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "the saved memory has another size");
    }
    size_t data = vm_memory_data_offset(header.page_count);
    if (length < data || header.stored_count != (length - data) / VM_PAGE_BYTES ||
        (length - data) % VM_PAGE_BYTES != 0) {
        return damaged(err);
    }
    return check_table((const unsigned char *)file + VM_PAGE_BYTES, &header, err);
}
