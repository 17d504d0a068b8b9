/*
 * Preloaded into QEMU, which is in a mount namespace without our files: answers its opening of some names with
 * descriptors that it inherited. QEMU opens its memory for writing even when it maps it privately; with this it gets
 * a descriptor for reading, so that whoever takes QEMU over cannot write to memory that others start from.
 */
#include "engine/vm/preload.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags);

static int answer(const char *path, int flags, int mode)
{
    if (strcmp(path, PRELOAD_MEMORY_PATH) == 0) {
        return fcntl(PRELOAD_MEMORY_FD, F_DUPFD_CLOEXEC, PRELOAD_DUPLICATES_FROM);
    }
    if (strcmp(path, PRELOAD_KVM_PATH) == 0) {
        return fcntl(PRELOAD_KVM_FD, F_DUPFD_CLOEXEC, PRELOAD_DUPLICATES_FROM);
    }
    if (strcmp(path, PRELOAD_NULL_PATH) == 0) {
        return fcntl(PRELOAD_NULL_FD, F_DUPFD_CLOEXEC, PRELOAD_DUPLICATES_FROM);
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;
}

int open64(const char *file, int oflag, ...)
{
    va_list arguments;
    va_start(arguments, oflag);
    int mode = mode_of(oflag, arguments);
    va_end(arguments);
    return answer(file, oflag, mode);
}

int open(const char *file, int oflag, ...)
{
    va_list arguments;
    va_start(arguments, oflag);
    int mode = mode_of(oflag, arguments);
    va_end(arguments);
    return answer(file, oflag, mode);
}

/* What the C library's checked versions are called. */
int __open64_2(const char *path, int flags)
{
    return answer(path, flags, 0);
}

int __open_2(const char *path, int flags)
{
    return answer(path, flags, 0);
}
