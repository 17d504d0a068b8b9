/* Writes tar archives: POSIX.1-2001 (pax), which every tar of today reads. Pure. */
#ifndef ATOLL_API_TAR_H
#define ATOLL_API_TAR_H

#include "base/buffer.h"

#include <stdint.h>

enum { TAR_BLOCK_BYTES = 512, TAR_END_BYTES = 1024 /* zeroes behind the last entry */ };

enum tar_type { TAR_FILE = '0', TAR_SYMLINK = '2', TAR_DIRECTORY = '5' };

struct tar_entry {
    const char *name; /* relative; of a directory without the slash that its header gets */
    const char *link; /* a symlink's target, else "" */
    enum tar_type type;
    int64_t mode, uid, gid, size, modified_ms; /* size: of a file, else 0 */
};

/* Appends what stands before the entry's bytes; whole blocks. 0, or -1 with errno (buffer_append). */
int tar_header(const struct tar_entry *entry, struct buffer *out);

/* Zeroes that fill the last block of size bytes. */
int64_t tar_padding(int64_t size);

#endif
