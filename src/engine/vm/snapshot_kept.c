#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * A snapshot of a sandbox that does not run, in a helper: links to its files. Its top is finished by that: when it starts
 * again, it gets a new one, since another directory has this one, too.
 */

/* Is the top just as it was made? Then the layers below are all there is. */
static bool top_is_empty(const struct snapshot_files *files)
{
    char top[ENGINE_DIGEST_SIZE], empty[ENGINE_DIGEST_SIZE];
    struct error ignored;
    const char *name = files->layers.at[files->layers.count - 1].name;
    return vm_known_digest(NULL, files->source_fd, name, top, NULL, &ignored) == 0 &&
           vm_known_digest(NULL, files->source_fd, VM_EMPTY_NAME, empty, NULL, &ignored) == 0 &&
           strcmp(top, empty) == 0;
}

static int link_memory(struct snapshot_files *files, struct error *err)
{
    static const char *const names[] = {VM_ABOUT_NAME, VM_DEVICE_NAME, VM_MEMORY_NAME};
    auto_close int from = saved_open(files->source_fd, err);
    for (size_t i = 0; from >= 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        if (vm_link(from, names[i], files->saved_fd, names[i], err) < 0) {
            return -1;
        }
    }
    if (from < 0 ||
        saved_check_files(files->engine->known, files->source_fd, &files->saved_about, err) < 0) {
        return -1;
    }
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        struct stat info;
        if (fstatat(from, names[i], &info, AT_SYMLINK_NOFOLLOW) == 0) {
            files->result.memory_bytes += (int64_t)info.st_blocks * 512;
        }
    }
    files->result.stored_bytes = files->result.memory_bytes;
    return fsync(files->saved_fd) < 0 ? error_set(err, ERR_ENGINE, errno, "write the saved memory")
                                      : 0;
}

/* The disk that belongs to the memory, or the one that was left. */
static int read_layers(const struct snapshot_files *files, bool saved, struct vm_layers *layers,
                       struct error *err)
{
    auto_close int saved_fd = saved ? saved_open(files->source_fd, err) : -1;
    return saved && saved_fd < 0 ? -1
                                 : vm_layers_read(saved ? saved_fd : files->source_fd, layers, err);
}

static int run(struct vm_job *job, struct snapshot_files *files, bool saved, struct error *err)
{
    if (moment_check_space(job->engine, err) < 0 ||
        vm_snapshot_open(files, job->engine, job->id, job->snapshot_id, saved, err) < 0 ||
        read_layers(files, saved, &files->layers, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.snapshot.kept");
    int count = files->layers.count;
    if (snapshot_link(files, top_is_empty(files) ? count - 1 : count, err) < 0 ||
        (saved && link_memory(files, err) < 0)) {
        return -1;
    }
    return snapshot_publish(files, job->snapshot_id, err);
}

int snapshot_run_kept(struct vm_job *job, struct error *err)
{
    struct snapshot_files files = {
        .parent_fd = -1, .source_fd = -1, .directory_fd = -1, .saved_fd = -1};
    int result = run(job, &files, job->flag, err);
    job->report->saved = files.result;
    vm_snapshot_close(&files);
    return result;
}
