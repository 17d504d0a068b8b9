#include "engine/vm/about.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/digest.h"
#include "wire/guest_boot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int vm_shape_key(const struct vm_shape *shape, char key[ENGINE_DIGEST_SIZE])
{
    char text[VM_ABOUT_MAX_BYTES + sizeof(GUEST_KERNEL_ARGUMENTS)];
    size_t length = vm_shape_print(shape, text);
    memcpy(text + length, GUEST_KERNEL_ARGUMENTS, sizeof(GUEST_KERNEL_ARGUMENTS));
    return digest_text(text, length + sizeof(GUEST_KERNEL_ARGUMENTS), key);
}

int vm_write_text(int directory_fd, const char *name, const char *text, size_t length,
                  struct error *err)
{
    char temporary[64];
    snprintf(temporary, sizeof(temporary), "%s.new", name);
    unlinkat(directory_fd, temporary, 0);
    auto_close int fd =
        openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, text, length) < 0 || fsync(fd) < 0 ||
        renameat(directory_fd, temporary, directory_fd, name) < 0) {
        error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "write '%s'", name);
        unlinkat(directory_fd, temporary, 0);
        return -1;
    }
    return 0;
}

int vm_about_write(int directory_fd, const struct vm_about *about, struct error *err)
{
    char text[VM_ABOUT_MAX_BYTES];
    size_t length = vm_about_print(about, text);
    return vm_write_text(directory_fd, VM_ABOUT_NAME, text, length, err);
}

int vm_about_read(int directory_fd, struct vm_about *ret_about, struct error *err)
{
    auto_free char *text = NULL;
    if (read_file_at(directory_fd, VM_ABOUT_NAME, VM_ABOUT_MAX_BYTES, &text) < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "read the description of the machine");
    }
    return vm_about_parse(text, ret_about, err);
}
