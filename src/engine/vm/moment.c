#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/agent_link.h"
#include "engine/vm/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { CLOCK_MS = 5000, MEBIBYTE = 1024 * 1024, DEVICE_MAX_BYTES = 64 * MEBIBYTE };

int moment_check_space(const struct engine *engine, struct error *err)
{
    struct statvfs info;
    int64_t reserve_mb = engine->context.settings->disk_reserve_mb;
    if (statvfs(engine->snapshots_path, &info) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the free space of %s",
                         engine->snapshots_path);
    }
    int64_t free_mb = (int64_t)(info.f_bavail * info.f_frsize) / MEBIBYTE;
    if (free_mb < reserve_mb) {
        return error_set(err, ERR_CAPACITY, 0,
                         "the host's disk has %lld MiB free, of which %lld MiB are kept "
                         "(disk_reserve_mb)",
                         (long long)free_mb, (long long)reserve_mb);
    }
    return 0;
}

int moment_sync(const struct vm_job *job, struct error *err)
{
    int fd = agent_link_open(job->machine->agent_socket, err);
    if (fd < 0 || agent_link_sync(fd, clock_monotonic_ms() + AGENT_SYNC_MS, err) < 0) {
        return error_prefix(err, "write the sandbox's files");
    }
    return 0;
}

void moment_correct_clock(const struct vm_job *job)
{
    struct agent_identity identity = {.machine = true};
    struct error error = {0};
    if (agent_link_identify(job->machine->agent_socket, &identity, clock_monotonic_ms() + CLOCK_MS,
                            &error) < 0) {
        log_warn("vm.clock", "id=%s error=%s", job->id, error.message);
    }
}

static int make_file(int directory_fd, const char *name, int flags, struct error *err)
{
    int fd = openat(directory_fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_set(err, ERR_CAPACITY, errno, "make '%s'", name);
    }
    return fd;
}

int moment_save(const struct vm_job *job, struct qmp *qmp, int source_fd, int saved_fd,
                struct error *err)
{
    struct stat info;
    auto_close int device_fd = make_file(saved_fd, VM_DEVICE_NAME, O_WRONLY, err);
    auto_close int memory_fd =
        device_fd < 0 ? -1 : make_file(saved_fd, VM_MEMORY_NAME, O_RDWR, err);
    if (memory_fd < 0) {
        return -1;
    }
    auto_close int base_fd = openat(source_fd, VM_BASE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (base_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open what the memory is based on");
    }
    if (device_save(qmp, device_fd, err) < 0) {
        return -1;
    }
    if (fstat(device_fd, &info) < 0 || info.st_size > DEVICE_MAX_BYTES) {
        return error_set(err, ERR_ENGINE, 0, "QEMU says too much about its devices");
    }
    FAULT_POINT("host.vm.save.devices");
    return vm_memory_save(job->qemu_pid, base_fd, memory_fd, err);
}

static int write_back(int directory_fd, const char *name, struct error *err)
{
    auto_close int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "write '%s'",
                         name);
    }
    return 0;
}

int moment_finish(const struct vm_job *job, int saved_fd, const struct vm_about *about,
                  struct vm_about *ret_saved, int64_t *stored_bytes, struct error *err)
{
    struct vm_known *known = job->engine->known;
    *ret_saved = *about;
    if (write_back(saved_fd, VM_MEMORY_NAME, err) < 0 ||
        write_back(saved_fd, VM_DEVICE_NAME, err) < 0 ||
        vm_known_digest(known, saved_fd, VM_MEMORY_NAME, ret_saved->memory_digest, stored_bytes,
                        err) < 0 ||
        vm_known_digest(known, saved_fd, VM_DEVICE_NAME, ret_saved->device_digest, stored_bytes,
                        err) < 0 ||
        vm_about_write(saved_fd, ret_saved, err) < 0) {
        return -1;
    }
    return fsync(saved_fd) < 0 ? error_set(err, ERR_ENGINE, errno, "write the saved memory") : 0;
}
