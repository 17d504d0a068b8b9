/* The named sizes of a sandbox. */
#ifndef ATOLL_SANDBOX_SIZES_H
#define ATOLL_SANDBOX_SIZES_H

#include <stdint.h>

struct sandbox_size {
    const char *name;
    int64_t cpu_count, memory_mb, disk_mb;
};

/* NULL when there is none of that name. */
const struct sandbox_size *size_find(const char *name);

/* All of them, smallest first, ended by a NULL name. */
extern const struct sandbox_size sandbox_sizes[];

/* "micro, tiny, …", for messages. */
extern const char size_names[];

#endif
