#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "engine/digest.h"
#include "engine/vm/state.h"
#include "linux/process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * A seed is made in a directory of another name and renamed when it is whole and on the disk. Two atoll-hosts that share
 * a directory of seeds may make the same: the first to be ready wins.
 */

enum { QUIT_MAX_MS = 10 * 1000 };

/* The sandbox's file system, empty: with a journal, since the guest's writes may end anywhere. */
static int make_blank(int directory, const char *path, int64_t bytes, struct error *err)
{
    char file[VM_PATH_SIZE + 16];
    snprintf(file, sizeof(file), "%s/" VM_LAYER_BASE, path);
    const char *const argv[] = {"mkfs.ext4",
                                "-q",
                                "-F",
                                "-m",
                                "0",
                                "-E",
                                "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                                file,
                                NULL};
    auto_close int fd =
        openat(directory, VM_LAYER_BASE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, bytes) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make a disk");
    }
    return process_run(argv, NULL, err);
}

static int make_image(const char *path, const char *name, int64_t bytes, struct error *err)
{
    char file[VM_PATH_SIZE + 16], size[32];
    snprintf(file, sizeof(file), "%s/%s", path, name);
    snprintf(size, sizeof(size), "%lld", (long long)bytes);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", file, size, NULL};
    return process_run(argv, NULL, err);
}

static int make_memory(int directory, int64_t bytes, struct error *err)
{
    auto_close int fd =
        openat(directory, VM_BASE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 || ftruncate(fd, bytes) < 0
               ? error_set(err, ERR_ENGINE, errno, "make the memory of a seed")
               : 0;
}

static int link_root(const struct launch *launch, struct error *err)
{
    char image[VM_PATH_SIZE + ENGINE_TEMPLATE_SIZE];
    snprintf(image, sizeof(image), "%s/%s", launch->engine->images_path,
             launch->shape.template_image);
    auto_close int from = open(image, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0) {
        return error_set(err, ERR_TEMPLATE_NOT_READY, errno, "open %s", image);
    }
    return vm_link(from, VM_ROOT_NAME, launch->directory, VM_ROOT_NAME, err);
}

int launch_seed_files(struct launch *launch, struct error *err)
{
    const char *path = launch->machine->directory;
    struct vm_layers layers = {0};
    if (mkdir(path, 0700) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make %s", path);
    }
    launch->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (launch->directory < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", path);
    }
    int64_t disk_bytes = launch->shape.disk_bytes;
    if (make_blank(launch->directory, path, disk_bytes, err) < 0 ||
        make_image(path, VM_LAYER_SEED, disk_bytes, err) < 0 ||
        make_image(path, VM_EMPTY_NAME, disk_bytes, err) < 0 ||
        make_memory(launch->directory, launch->shape.memory_bytes, err) < 0 ||
        link_root(launch, err) < 0 || vm_layers_push(&layers, VM_LAYER_BASE, err) < 0 ||
        vm_layers_push(&layers, VM_LAYER_SEED, err) < 0) {
        return -1;
    }
    launch->layers = layers;
    return 0;
}

/* The guest's writes so far are the seed's. */
static int flush(struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + VM_START_MAX_MS;
    int fd = agent_link_open_machine(deadline_ms, err);
    return fd < 0 ? -1 : agent_link_sync(fd, deadline_ms, err);
}

static int save(struct launch *launch, struct error *err)
{
    auto_close int device =
        openat(launch->directory, VM_DEVICE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (device < 0) {
        return error_set(err, ERR_ENGINE, errno, "make a seed's file");
    }
    struct error ignored;
    struct pollfd end = {.fd = launch->child_fd, .events = POLLIN};
    if (machine_stop(launch->qmp, err) < 0 || device_save(launch->qmp, device, err) < 0) {
        return -1;
    }
    qmp_execute(launch->qmp, "quit", NULL, -1, NULL, &ignored);
    return poll(&end, 1, QUIT_MAX_MS) <= 0
               ? error_set(err, ERR_ENGINE, 0, "QEMU does not end when it is told to")
               : 0;
}

static int digest_of(int directory, const char *name, char digest[ENGINE_DIGEST_SIZE],
                     struct error *err)
{
    auto_close int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return error_set(err, ERR_ENGINE, errno, "open a seed's '%s'", name);
    }
    return digest_file(fd, digest, err);
}

static int describe(struct launch *launch, struct error *err)
{
    int directory = launch->directory;
    struct vm_layers *layers = &launch->layers;
    struct vm_about about = {.shape = launch->shape, .memory_digest = "-"};
    for (int i = 0; i < layers->count; i++) {
        if (digest_of(directory, layers->at[i].name, layers->at[i].digest, err) < 0) {
            return -1;
        }
    }
    return digest_of(directory, VM_BASE_NAME, about.base_digest, err) < 0 ||
                   digest_of(directory, VM_DEVICE_NAME, about.device_digest, err) < 0 ||
                   vm_layers_push(layers, NULL, err) < 0 ||
                   vm_layers_write(directory, layers, err) < 0 ||
                   vm_about_write(directory, &about, err) < 0
               ? -1
               : 0;
}

int launch_seed_finish(struct launch *launch, struct error *err)
{
    if (launch_rehearse(launch, 1, err) < 0 || flush(err) < 0 || save(launch, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.seed.saved");
    if (describe(launch, err) < 0 || fsync(launch->directory) < 0) {
        return error_prefix(err, "make a seed");
    }
    if (rename(launch->machine->directory, launch->machine->seed_directory) < 0 &&
        errno != EEXIST && errno != ENOTEMPTY) {
        return error_set(err, ERR_ENGINE, errno, "name the seed %s",
                         launch->machine->seed_directory);
    }
    return 0;
}
