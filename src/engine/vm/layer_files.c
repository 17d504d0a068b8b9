#include "engine/vm/layers.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/vm/about.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum error_code code_of(int errnum)
{
    return errnum == ENOSPC || errnum == EFBIG || errnum == EDQUOT ? ERR_CAPACITY : ERR_ENGINE;
}

static int open_to_read(int directory_fd, const char *name, struct error *err)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, errno == ENOENT ? ERR_NOT_RESTORABLE : ERR_ENGINE, errno, "open '%s'", name);
    }
    return fd;
}

/* Copies what is not a hole. 0, or -1 errno. */
static int copy_data(int from, int to, off_t length)
{
    char bytes[64 * 1024];
    off_t at = 0;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0 && at < length) {
        off_t end = lseek(from, at, SEEK_HOLE);
        while (end > 0 && at < end) {
            size_t size = end - at < (off_t)sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes);
            ssize_t got = pread(from, bytes, size, at);
            if (got <= 0 || pwrite(to, bytes, (size_t)got, at) != got) {
                return -1;
            }
            at += got;
        }
    }
    return at < 0 && errno != ENXIO ? -1 : 0;
}

static int copy_file(int from, int to_fd, const char *name, struct error *err)
{
    struct stat info;
    auto_close int to =
        openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || fstat(from, &info) < 0 || ftruncate(to, info.st_size) < 0 ||
        copy_data(from, to, info.st_size) < 0 || fsync(to) < 0) {
        error_set(err, code_of(errno), errno, "write '%s'", name);
        unlinkat(to_fd, name, 0);
        return -1;
    }
    return 0;
}

int vm_link(int from_fd, const char *name, int to_fd, const char *to_name, struct error *err)
{
    if (linkat(from_fd, name, to_fd, to_name, 0) == 0) {
        return 0;
    }
    if (errno != EXDEV && errno != EMLINK && errno != EPERM) {
        return error_set(err, errno == ENOENT ? ERR_NOT_RESTORABLE : code_of(errno), errno,
                         "link '%s'", name);
    }
    auto_close int from = open_to_read(from_fd, name, err);
    return from < 0 ? -1 : copy_file(from, to_fd, to_name, err);
}

int vm_layers_make_top(int directory_fd, const struct vm_layers *layers, struct error *err)
{
    const char *name = layers->at[layers->count - 1].name;
    auto_close int from = open_to_read(directory_fd, VM_EMPTY_NAME, err);
    unlinkat(directory_fd, name, 0);
    return from < 0 ? -1 : copy_file(from, directory_fd, name, err);
}

int vm_layers_open(const struct vm_layers *layers, int index, int directory_fd, bool writable,
                   struct error *err)
{
    const char *name = layers->at[index].name;
    int fd = openat(directory_fd, name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, ERR_NOT_RESTORABLE, errno, "open the disk's image '%s'", name);
    }
    return fd;
}

int vm_layers_link(const struct vm_layers *layers, int count, int from_fd, int to_fd,
                   struct error *err)
{
    for (int i = 0; i < count; i++) {
        if (vm_link(from_fd, layers->at[i].name, to_fd, layers->at[i].name, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int vm_layers_write(int directory_fd, const struct vm_layers *layers, struct error *err)
{
    char text[VM_LAYERS_TEXT_MAX_BYTES];
    size_t length = vm_layers_print(layers, text);
    return vm_write_text(directory_fd, VM_LAYERS_NAME, text, length, err);
}

int vm_layers_read(int directory_fd, struct vm_layers *ret_layers, struct error *err)
{
    auto_free char *text = NULL;
    if (read_file_at(directory_fd, VM_LAYERS_NAME, VM_LAYERS_TEXT_MAX_BYTES, &text) < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "read the list of the disk's images");
    }
    return vm_layers_parse(text, ret_layers, err);
}
