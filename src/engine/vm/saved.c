#include "engine/vm/state.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "engine/vm/known.h"
#include "engine/vm/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int saved_open(int directory_fd, struct error *err)
{
    int fd = openat(directory_fd, VM_SAVED_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, ERR_NOT_RESTORABLE, errno, "it has no saved memory");
    }
    return fd;
}

bool saved_exists(int directory_fd, const char *name)
{
    struct stat info;
    return fstatat(directory_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

static bool is_there(const char *digest)
{
    return strcmp(digest, "-") != 0;
}

int saved_check_files(struct vm_known *known, int directory_fd, struct vm_about *ret_about,
                      struct error *err)
{
    struct stat base;
    auto_close int saved_fd = saved_open(directory_fd, err);
    if (saved_fd < 0 || vm_about_read(saved_fd, ret_about, err) < 0) {
        return -1;
    }
    if (fstatat(directory_fd, VM_BASE_NAME, &base, AT_SYMLINK_NOFOLLOW) < 0 ||
        base.st_size != ret_about->shape.memory_bytes) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "its file '%s' is missing or cut",
                         VM_BASE_NAME);
    }
    if ((is_there(ret_about->base_digest) &&
         vm_known_check(known, directory_fd, VM_BASE_NAME, ret_about->base_digest, err) < 0) ||
        (is_there(ret_about->memory_digest) &&
         vm_known_check(known, saved_fd, VM_MEMORY_NAME, ret_about->memory_digest, err) < 0)) {
        return -1;
    }
    return vm_known_check(known, saved_fd, VM_DEVICE_NAME, ret_about->device_digest, err);
}

int saved_check(const struct engine *engine, int directory_fd, struct error *err)
{
    struct vm_about about;
    struct vm_shape now;
    if (saved_check_files(engine->known, directory_fd, &about, err) < 0) {
        return -1;
    }
    now = about.shape;
    now.facts = engine->facts;
    return vm_shape_fits(&about.shape, &now, err);
}

static int load_memory(int directory_fd, int saved_fd, pid_t pid, struct error *err)
{
    auto_close int memory_fd = openat(saved_fd, VM_MEMORY_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int base_fd = openat(directory_fd, VM_BASE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (memory_fd < 0 || base_fd < 0) {
        return memory_fd < 0 && errno == ENOENT
                   ? 0 /* just the base */
                   : error_set(err, ERR_NOT_RESTORABLE, errno, "open the saved memory");
    }
    return vm_memory_load(pid, base_fd, memory_fd, err);
}

int saved_restore(int directory_fd, struct qmp *qmp, pid_t pid, struct error *err)
{
    auto_close int saved_fd = saved_open(directory_fd, err);
    if (saved_fd < 0 || load_memory(directory_fd, saved_fd, pid, err) < 0) {
        return -1;
    }
    auto_close int device_fd = openat(saved_fd, VM_DEVICE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (device_fd < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "open the state of the devices");
    }
    return device_load(qmp, device_fd, err);
}

static void remove_files(int directory_fd, const char *name)
{
    static const char *const files[] = {VM_ABOUT_NAME, VM_LAYERS_NAME, VM_DEVICE_NAME,
                                        VM_MEMORY_NAME};
    auto_close int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < sizeof(files) / sizeof(files[0]); i++) {
        unlinkat(fd, files[i], 0);
    }
    unlinkat(directory_fd, name, AT_REMOVEDIR);
}

int saved_commit(int directory_fd, struct error *err)
{
    remove_files(directory_fd, VM_RESUMED_NAME);
    if (renameat(directory_fd, VM_SAVED_NAME, directory_fd, VM_RESUMED_NAME) < 0) {
        return error_set(err, ERR_ENGINE, errno, "put the saved memory aside");
    }
    return 0;
}

void saved_forget(int directory_fd)
{
    remove_files(directory_fd, VM_RESUMED_NAME);
}

void saved_discard(int directory_fd, const char *name)
{
    remove_files(directory_fd, name);
}
