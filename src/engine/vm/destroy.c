#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/agent_link.h"
#include "engine/vm/chain.h"
#include "engine/vm/snapshot.h"
#include "engine/vm/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { SYNC_MAX_MS = 20 * 1000 };

/* The guest's files reach its disk, and the disk the host's. A guest that does not answer is stopped anyway: its journal
 * keeps its file system whole. */
static void flush_guest(const char *agent_socket)
{
    struct error error = {0};
    int fd = agent_link_open(agent_socket, &error);
    if (fd < 0 || agent_link_sync(fd, clock_monotonic_ms() + SYNC_MAX_MS, &error) < 0) {
        log_warn("machine.not_flushed", "error=%s", error.message);
    }
}

static int write_back(int directory, struct error *err)
{
    struct vm_layers layers;
    if (vm_layers_read(directory, &layers, err) < 0) {
        return -1;
    }
    for (int i = 0; i < layers.count; i++) {
        auto_close int fd = vm_layers_open(&layers, i, directory, false, err);
        if (fd < 0 || fsync(fd) < 0) {
            return error_set(err, ERR_ENGINE, errno, "write a disk back");
        }
    }
    return fsync(directory) < 0 ? error_set(err, ERR_ENGINE, errno, "write a disk back") : 0;
}

/* The helper of a stop. path: the monitor's; text: the agent's socket. */
static int stop(struct vm_job *job, struct error *err)
{
    struct error ignored = {0};
    char path[VM_PATH_SIZE];
    auto_close int directory = open(sandbox_directory(job->engine, job->id, path),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", path);
    }
    flush_guest(job->agent_socket);
    FAULT_POINT("host.vm.stop.flushed");
    struct qmp *qmp = qmp_open(job->path, VM_QMP_MS, &ignored);
    if (qmp) {
        struct vm_layers layers;
        machine_stop(qmp, &ignored);
        if (vm_layers_read(directory, &layers, &ignored) == 0 && layers.count >= VM_LAYERS_MAX) {
            chain_shorten(qmp, directory, &ignored);
        }
        qmp_execute(qmp, "quit", NULL, -1, NULL, &ignored);
        qmp_close(qmp);
    }
    FAULT_POINT("host.vm.stop.quit");
    return write_back(directory, err);
}

static void stopped(struct vm_job *job, const struct error *error)
{
    if (error) {
        log_warn("machine.stop", "id=%s error=%s", job->id, error->message);
    }
    if (job->machine) {
        machine_suspended(job->machine, job->call);
    } else {
        call_done(job->call, NULL);
    }
}

static void start_stop(struct machine *machine, struct engine_call *call)
{
    struct error error = {0};
    struct vm_job *job = vm_job_new(machine->engine, call, &error);
    if (!job) {
        call_done(call, &error);
        return;
    }
    job->machine = machine;
    machine->asked = true;
    memcpy(job->id, machine->plan.id, sizeof(job->id));
    machine_qmp_path(machine, job->path);
    memcpy(job->agent_socket, machine->agent_socket, sizeof(job->agent_socket));
    job->run = stop;
    job->done = stopped;
    vm_job_start(job);
}

static void end(struct machine *machine, bool discard, struct engine_call *call)
{
    call->next = machine->end_calls;
    machine->end_calls = call;
    if (machine->error.code == ERR_NONE) {
        error_set(&machine->error, ERR_CANCELLED, 0, "sandbox %s was destroyed", machine->plan.id);
    }
    machine->asked = true;
    machine_end(machine, discard);
}

static void end_nothing(struct engine *engine, const char *id, bool keep_disk,
                        struct engine_call *call)
{
    char path[VM_PATH_SIZE];
    struct vm_pending *pending = vm_pending_find(engine, id);
    if (pending) {
        struct error error;
        error_set(&error, ERR_CANCELLED, 0, "sandbox %s was destroyed", id);
        vm_pending_finish(engine, pending, &error);
    }
    sandbox_directory(engine, id, path);
    if (keep_disk) { /* what a suspension saved is not files */
        size_t length = strlen(path);
        snprintf(path + length, sizeof(path) - length, "/%s", VM_SAVED_NAME);
    }
    if (trash_directory(engine, path) < 0) {
        struct error error;
        error_set(&error, ERR_ENGINE, errno, "remove %s", path);
        call_done(call, &error);
        return;
    }
    call_done(call, NULL);
}

void vm_destroy(struct engine *engine, const char *id, bool keep_disk, struct engine_call *call)
{
    struct machine *machine = machine_find(engine, id);
    struct error error;
    if (!machine && vm_job_works_on(engine, id)) {
        error_set(&error, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
        call_done(call, &error);
    } else if (!machine) {
        end_nothing(engine, id, keep_disk, call);
    } else if (!keep_disk || !machine_alive(machine)) {
        end(machine, !keep_disk, call);
    } else if (machine->state == MACHINE_SAVING) {
        error_set(&error, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
        call_done(call, &error);
    } else {
        start_stop(machine, call);
    }
}
