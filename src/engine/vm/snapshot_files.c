#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "engine/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_directory(int parent_fd, const char *name)
{
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_directory(int parent_fd, const char *name, struct error *err)
{
    int fd = mkdirat(parent_fd, name, 0700) < 0 ? -1 : open_directory(parent_fd, name);
    if (fd < 0) {
        error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "make the snapshot");
    }
    return fd;
}

int vm_snapshot_open(struct snapshot_files *files, const struct engine *engine, const char *id,
                     const char *snapshot_id, bool saved, struct error *err)
{
    char path[VM_PATH_SIZE];
    *files = (struct snapshot_files){.engine = engine, .directory_fd = -1, .saved_fd = -1};
    snprintf(files->temporary, sizeof(files->temporary), "%s.tmp", snapshot_id);
    files->parent_fd = open_directory(AT_FDCWD, engine->snapshots_path);
    files->source_fd = open_directory(AT_FDCWD, sandbox_directory(engine, id, path));
    if (files->parent_fd < 0 || files->source_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the sandbox's files");
    }
    if (vm_about_read(files->source_fd, &files->about, err) < 0) {
        return -1;
    }
    files->directory_fd = make_directory(files->parent_fd, files->temporary, err);
    if (files->directory_fd < 0) {
        return -1;
    }
    files->saved_fd = saved ? make_directory(files->directory_fd, VM_SAVED_NAME, err) : -1;
    return saved && files->saved_fd < 0 ? -1 : 0;
}

void vm_snapshot_close(struct snapshot_files *files)
{
    files->parent_fd = close_fd(files->parent_fd);
    files->source_fd = close_fd(files->source_fd);
    files->directory_fd = close_fd(files->directory_fd);
    files->saved_fd = close_fd(files->saved_fd);
}

int snapshot_link(struct snapshot_files *files, int count, struct error *err)
{
    files->layers.count = count;
    if (vm_link(files->source_fd, VM_ROOT_NAME, files->directory_fd, VM_ROOT_NAME, err) < 0 ||
        vm_link(files->source_fd, VM_EMPTY_NAME, files->directory_fd, VM_EMPTY_NAME, err) < 0) {
        return -1;
    }
    if (files->saved_fd >= 0 &&
        vm_link(files->source_fd, VM_BASE_NAME, files->directory_fd, VM_BASE_NAME, err) < 0) {
        return -1;
    }
    return vm_layers_link(&files->layers, count, files->source_fd, files->directory_fd, err);
}

/* The layers that this snapshot is the first to finish. */
static int finish_layers(struct snapshot_files *files, struct error *err)
{
    for (int i = 0; i < files->layers.count; i++) {
        struct vm_layer *layer = &files->layers.at[i];
        if (strcmp(layer->digest, "-") != 0) {
            continue;
        }
        auto_close int fd = vm_layers_open(&files->layers, i, files->directory_fd, false, err);
        if (fd < 0) {
            return -1;
        }
        if (fsync(fd) < 0) {
            return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno,
                             "write the disk");
        }
        if (vm_known_digest(files->engine->known, files->directory_fd, layer->name, layer->digest,
                            &files->result.stored_bytes, err) < 0) {
            return -1;
        }
    }
    return vm_layers_write(files->directory_fd, &files->layers, err);
}

int snapshot_publish(struct snapshot_files *files, const char *snapshot_id, struct error *err)
{
    struct vm_about about = files->about;
    snprintf(about.memory_digest, sizeof(about.memory_digest), "-");
    snprintf(about.device_digest, sizeof(about.device_digest), "-");
    if (finish_layers(files, err) < 0 || vm_about_write(files->directory_fd, &about, err) < 0 ||
        snapshot_digest_of(files->directory_fd, files->result.digest, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.snapshot.written");
    if (fsync(files->directory_fd) < 0 ||
        renameat2(files->parent_fd, files->temporary, files->parent_fd, snapshot_id,
                  RENAME_NOREPLACE) < 0 ||
        fsync(files->parent_fd) < 0) {
        return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno,
                         "name the snapshot");
    }
    FAULT_POINT("host.vm.snapshot.named");
    files->result.disk_bytes = about.shape.disk_bytes;
    return 0;
}
