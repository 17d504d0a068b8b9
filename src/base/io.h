/* Whole reads and writes over descriptors, and small files. */
#ifndef ATOLL_BASE_IO_H
#define ATOLL_BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

/* Writes everything to a blocking descriptor (MSG_NOSIGNAL on sockets). 0, or -1 with errno. */
int write_all(int fd, const void *bytes, size_t length);

/* Reads exactly length bytes. Returns 1, 0 at end of file before the first byte, -1 with errno
 * (EPIPE when the end came in between). */
int read_all(int fd, void *bytes, size_t length);

/* Reads a file of at most max bytes. *ret_text is NUL-terminated and the caller's. Returns its
 * length, or -1 with errno (EFBIG when longer). dir_fd as for openat(2). */
ssize_t read_file_at(int dir_fd, const char *path, size_t max, char **ret_text);

/* Writes the file whole or not at all: temporary file beside it, fsync, rename. 0, or -1 with errno. */
int write_file_atomic(const char *path, const void *bytes, size_t length, mode_t mode);

/* Sets or clears O_NONBLOCK. 0, or -1 with errno. */
int set_nonblocking(int fd, int on);

#endif
