/* The system call filter of sandboxes: built once, loaded per sandbox as ready bytes. */
#ifndef ATOLL_ENGINE_SYSCALL_FILTER_H
#define ATOLL_ENGINE_SYSCALL_FILTER_H

#include "base/error.h"

#include <linux/filter.h>

struct seccomp_filter {
    struct sock_filter *instructions;
    unsigned short count;
};

/* 0, or -1 with err. */
int seccomp_filter_build(struct seccomp_filter *ret_filter, struct error *err);
/* The same for a program that needs these calls only. */
int seccomp_filter_build_only(const char *const *names, size_t count,
                              struct seccomp_filter *ret_filter, struct error *err);
void seccomp_filter_free(struct seccomp_filter *filter);

/* Loads it into the calling process, for good. Needs no_new_privs. 0 or -1 with err. */
int seccomp_filter_load(const struct seccomp_filter *filter, struct error *err);

#endif
