/* What preload.c, a library inside QEMU, and its launcher agree on. */
#ifndef ATOLL_ENGINE_VM_PRELOAD_H
#define ATOLL_ENGINE_VM_PRELOAD_H

#include <stddef.h>

#define PRELOAD_MEMORY_PATH "/memory"
#define PRELOAD_KVM_PATH    "/dev/kvm"
#define PRELOAD_NULL_PATH   "/dev/null"

enum {
    PRELOAD_NULL_FD = 0,
    PRELOAD_MEMORY_FD = 3,
    PRELOAD_KVM_FD = 4,
    PRELOAD_DUPLICATES_FROM = 64
};

/* The library as a file. */
extern const unsigned char preload_library[];
extern const size_t preload_library_length;

#endif
