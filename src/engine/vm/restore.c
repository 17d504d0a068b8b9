#include "engine/vm/restore.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/vm/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The memory as it was saved; the files of it stay the snapshot's, too. */
static int link_memory(int from_fd, int to_fd, struct error *err)
{
    static const char *const names[] = {VM_ABOUT_NAME, VM_DEVICE_NAME, VM_MEMORY_NAME};
    if (vm_link(from_fd, VM_BASE_NAME, to_fd, VM_BASE_NAME, err) < 0) {
        return -1;
    }
    auto_close int from = saved_open(from_fd, err);
    if (from < 0) {
        return -1;
    }
    if (mkdirat(to_fd, VM_SAVED_NAME, 0700) < 0) {
        return error_set(err, ERR_CAPACITY, errno, "make '%s'", VM_SAVED_NAME);
    }
    auto_close int to = saved_open(to_fd, err);
    for (size_t i = 0; to >= 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        if (vm_link(from, names[i], to, names[i], err) < 0) {
            return -1;
        }
    }
    if (to >= 0 && vm_link(to_fd, VM_LAYERS_NAME, to, VM_LAYERS_NAME, err) < 0) {
        return -1;
    }
    return to < 0 || fsync(to) < 0 ? error_set(err, ERR_ENGINE, errno, "link the memory") : 0;
}

static int link_disk(int from_fd, int to_fd, struct error *err)
{
    struct vm_layers layers;
    if (vm_layers_read(from_fd, &layers, err) < 0 ||
        vm_layers_link(&layers, layers.count, from_fd, to_fd, err) < 0 ||
        vm_link(from_fd, VM_ROOT_NAME, to_fd, VM_ROOT_NAME, err) < 0 ||
        vm_link(from_fd, VM_EMPTY_NAME, to_fd, VM_EMPTY_NAME, err) < 0) {
        return -1;
    }
    return vm_link(from_fd, VM_LAYERS_NAME, to_fd, VM_LAYERS_NAME, err);
}

/* Why its memory is left alone, or "". */
static void judge_memory(const struct engine_create *plan, const struct vm_shape *shape,
                         int from_fd, char problem[ENGINE_REASON_SIZE])
{
    if (problem[0]) {
        return;
    }
    if (!saved_exists(from_fd, VM_SAVED_NAME)) {
        snprintf(problem, ENGINE_REASON_SIZE, "none was saved");
    } else if (plan->files_only) {
        snprintf(problem, ENGINE_REASON_SIZE, "only its files are wanted");
    } else if (shape->cpu_count != plan->cpu_count || shape->memory_bytes != plan->memory_bytes) {
        snprintf(problem, ENGINE_REASON_SIZE, "another number of CPUs or size of memory is wanted");
    }
}

static int fill(const struct engine *engine, const struct engine_create *plan, int to_fd,
                struct error *err)
{
    struct vm_about about;
    char problem[ENGINE_REASON_SIZE];
    auto_close int from_fd = snapshot_open_checked(engine, plan->snapshot_id, plan->snapshot_digest,
                                                   &about, problem, err);
    if (from_fd < 0) {
        return -1;
    }
    judge_memory(plan, &about.shape, from_fd, problem);
    if (link_disk(from_fd, to_fd, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.restore.linked");
    if (problem[0]) {
        log_info("vm.files_only", "id=%s snapshot=%s reason=%s", plan->id, plan->snapshot_id,
                 problem);
    } else if (link_memory(from_fd, to_fd, err) < 0) {
        return -1;
    }
    return vm_about_write(to_fd, &about, err);
}

int restore_prepare(const struct engine *engine, const struct engine_create *plan,
                    const char *directory, struct error *err)
{
    if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
        return error_set(err, ERR_CAPACITY, errno, "make %s", directory);
    }
    auto_close int to_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", directory);
    }
    if (fill(engine, plan, to_fd, err) < 0) {
        return -1;
    }
    return fsync(to_fd) < 0 ? error_set(err, ERR_ENGINE, errno, "write the sandbox's files") : 0;
}

/* Does another directory have the top, too? */
static bool top_is_shared(int directory_fd, const struct vm_layers *layers)
{
    struct stat info;
    const struct vm_layer *top = &layers->at[layers->count - 1];
    return strcmp(top->digest, "-") != 0 ||
           fstatat(directory_fd, top->name, &info, AT_SYMLINK_NOFOLLOW) < 0 || info.st_nlink > 1;
}

int restore_layers(int directory_fd, bool from_saved, struct vm_layers *ret_layers,
                   struct error *err)
{
    auto_close int saved_fd = from_saved ? saved_open(directory_fd, err) : -1;
    if ((from_saved && saved_fd < 0) ||
        vm_layers_read(from_saved ? saved_fd : directory_fd, ret_layers, err) < 0) {
        return -1;
    }
    if (!from_saved && !top_is_shared(directory_fd, ret_layers)) {
        return 0;
    }
    if (vm_layers_push(ret_layers, NULL, err) < 0 ||
        vm_layers_make_top(directory_fd, ret_layers, err) < 0 ||
        vm_layers_write(directory_fd, ret_layers, err) < 0) {
        return -1;
    }
    return fsync(directory_fd) < 0 ? error_set(err, ERR_ENGINE, errno, "write the disk") : 0;
}

bool saved_settle(const char *directory, bool running)
{
    auto_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    if (!running) {
        renameat2(fd, VM_RESUMED_NAME, fd, VM_SAVED_NAME, RENAME_NOREPLACE);
    }
    saved_discard(fd, VM_RESUMED_NAME);
    saved_discard(fd, VM_UNFINISHED_NAME);
    return saved_exists(fd, VM_SAVED_NAME);
}
