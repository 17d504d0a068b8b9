/* Scope-bound release of memory and descriptors; every destructor keeps errno. */
#ifndef ATOLL_BASE_CLEANUP_H
#define ATOLL_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes fd if it is not negative; keeps errno. Returns -1, so that `x = close_fd(x)` reads well. */
static inline int close_fd(int fd)
{
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

/* Moves the descriptor out of *fd, which becomes -1. */
static inline int take_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

/* Moves the pointer out of *(void **)pointer, which becomes NULL. */
static inline void *take_pointer(void *pointer)
{
    void **slot = pointer;
    void *value = *slot;
    *slot = NULL;
    return value;
}

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
    close_fd(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
    if (*file) {
        int saved = errno;
        fclose(*file);
        errno = saved;
    }
}

#define auto_free   __attribute__((cleanup(cleanup_free)))
#define auto_close  __attribute__((cleanup(cleanup_close)))
#define auto_fclose __attribute__((cleanup(cleanup_fclose)))

#endif
