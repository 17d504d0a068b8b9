#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "engine/vm/restore.h"
#include "engine/vm/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static int open_directory(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? error_set(err, ERR_ENGINE, errno, "open %s", path) : fd;
}

/* A new top, without waiting for the disk: nothing of the sandbox is acknowledged yet. */
static int copy_empty(int seed, int directory, const char *name, struct error *err)
{
    struct stat info;
    auto_close int from = openat(seed, VM_EMPTY_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int to = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (from < 0 || to < 0 || fstat(from, &info) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make a disk");
    }
    for (off_t left = info.st_size; left > 0;) {
        ssize_t done = sendfile(to, from, NULL, (size_t)left);
        if (done <= 0) {
            return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno,
                             "make a disk");
        }
        left -= done;
    }
    return 0;
}

/* Everything by links to the seed's files, which hold a list of layers that already has the new one. */
static int fill_new(struct launch *launch, int seed, struct error *err)
{
    static const char *const shared[] = {VM_ABOUT_NAME, VM_LAYERS_NAME, VM_BASE_NAME, VM_EMPTY_NAME,
                                         VM_ROOT_NAME};
    int directory = launch->directory;
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
        if (vm_link(seed, shared[i], directory, shared[i], err) < 0) {
            return -1;
        }
    }
    if (vm_layers_read(directory, &launch->layers, err) < 0 ||
        vm_layers_link(&launch->layers, launch->layers.count - 1, seed, directory, err) < 0) {
        return -1;
    }
    return copy_empty(seed, directory, launch->layers.at[launch->layers.count - 1].name, err);
}

static int make_new(struct launch *launch, struct error *err)
{
    const char *path = launch->machine->directory;
    auto_close int seed = open_directory(launch->machine->seed_directory, err);
    if (seed < 0 || (mkdir(path, 0700) < 0 && errno != EEXIST)) {
        return error_set(err, ERR_ENGINE, errno, "make %s", path);
    }
    launch->directory = open_directory(path, err);
    if (launch->directory < 0 || fill_new(launch, seed, err) < 0) {
        return -1;
    }
    launch->saved_device = openat(seed, VM_DEVICE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return launch->saved_device < 0 ? error_set(err, ERR_ENGINE, errno, "open a seed") : 0;
}

/* Memory that is all zeros: what a machine that boots starts from. */
static int make_empty_memory(struct launch *launch, struct error *err)
{
    struct vm_about about;
    int directory = launch->directory;
    unlinkat(directory, VM_BASE_NAME, 0);
    auto_close int fd =
        openat(directory, VM_BASE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, launch->shape.memory_bytes) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make the memory");
    }
    about = (struct vm_about){
        .shape = launch->shape, .base_digest = "-", .memory_digest = "-", .device_digest = "-"};
    return vm_about_write(directory, &about, err);
}

/* What was kept runs on from its saved memory if it has some that is usable here; otherwise it boots. */
static int use_directory(struct launch *launch, struct error *err)
{
    struct error reason = {0};
    launch->directory = open_directory(launch->machine->directory, err);
    if (launch->directory < 0) {
        return -1;
    }
    saved_forget(launch->directory); /* it was loaded once, and the disk has moved on */
    launch->has_saved = faccessat(launch->directory, VM_SAVED_NAME, F_OK, 0) == 0;
    if (launch->has_saved && saved_check(launch->engine, launch->directory, &reason) < 0) {
        launch->has_saved = false;
        snprintf(launch->not_resumed, sizeof(launch->not_resumed), "%s", reason.message);
    }
    if (restore_layers(launch->directory, launch->has_saved, &launch->layers, err) < 0) {
        return -1;
    }
    if (!launch->has_saved) {
        return make_empty_memory(launch, err);
    }
    struct vm_about about; /* the machine is made as it was */
    if (vm_about_read(launch->directory, &about, err) < 0) {
        return -1;
    }
    launch->shape = about.shape;
    return 0;
}

static int make_from_snapshot(struct launch *launch, struct error *err)
{
    const struct machine *machine = launch->machine;
    return restore_prepare(launch->engine, &machine->plan, machine->directory, err) < 0
               ? -1
               : use_directory(launch, err);
}

static int open_files(struct launch *launch, struct error *err)
{
    int access = launch->machine->kind == LAUNCH_SEED ? O_RDWR : O_RDONLY;
    launch->memory = openat(launch->directory, VM_BASE_NAME, access | O_NOFOLLOW | O_CLOEXEC);
    launch->root = openat(launch->directory, VM_ROOT_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return launch->memory < 0 || launch->root < 0
               ? error_set(err, ERR_ENGINE, errno, "open a machine's files")
               : 0;
}

int launch_files(struct launch *launch, struct error *err)
{
    int result = -1;
    switch (launch->machine->kind) {
    case LAUNCH_SEED:
        result = launch_seed_files(launch, err);
        break;
    case LAUNCH_NEW:
        result = make_new(launch, err);
        break;
    case LAUNCH_SNAPSHOT:
        result = make_from_snapshot(launch, err);
        break;
    case LAUNCH_KEPT:
        result = use_directory(launch, err);
        break;
    }
    FAULT_POINT("host.vm.launch.files");
    launch->boots = launch->saved_device < 0 && !launch->has_saved;
    return result < 0 ? -1 : open_files(launch, err);
}
