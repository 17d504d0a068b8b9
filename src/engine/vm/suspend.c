#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/vm/chain.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Suspending: the memory is saved to saved.tmp, which becomes saved/ when all of it is on the host's disk. From that moment on
 * the sandbox is suspended, whatever still lives: its QEMU stands still, has nothing that is not saved, and only remains to be
 * killed. Before it, whatever fails, the machine goes on.
 */

static int save(struct vm_job *job, struct qmp *qmp, int directory_fd, int saved_fd,
                struct error *err)
{
    struct vm_about about, saved;
    int64_t stored_bytes = 0;
    if (machine_stop(qmp, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.suspend.stopped");
    if (moment_save(job, qmp, directory_fd, saved_fd, err) < 0 ||
        vm_about_read(directory_fd, &about, err) < 0 ||
        vm_link(directory_fd, VM_LAYERS_NAME, saved_fd, VM_LAYERS_NAME, err) < 0 ||
        moment_finish(job, saved_fd, &about, &saved, &stored_bytes, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.suspend.written");
    if (renameat(directory_fd, VM_UNFINISHED_NAME, directory_fd, VM_SAVED_NAME) < 0) {
        return error_set(err, ERR_ENGINE, errno, "name the saved memory");
    }
    FAULT_POINT("host.vm.suspend.named");
    if (fsync(directory_fd) < 0) {
        error_set(err, ERR_ENGINE, errno, "write the sandbox's directory");
        saved_discard(directory_fd, VM_SAVED_NAME);
        return -1;
    }
    return 0;
}

static int save_or_continue(struct vm_job *job, struct qmp *qmp, int directory_fd,
                            struct error *err)
{
    struct error ignored;
    saved_discard(directory_fd, VM_UNFINISHED_NAME);
    auto_close int saved_fd = mkdirat(directory_fd, VM_UNFINISHED_NAME, 0700) < 0
                                  ? -1
                                  : openat(directory_fd, VM_UNFINISHED_NAME,
                                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (saved_fd < 0) {
        return error_set(err, ERR_CAPACITY, errno, "make the saved memory");
    }
    if (save(job, qmp, directory_fd, saved_fd, err) == 0) {
        return 0;
    }
    saved_discard(directory_fd, VM_UNFINISHED_NAME);
    job->report->number = machine_continue(qmp, &ignored) < 0; /* it may stand still */
    moment_correct_clock(job);
    return -1;
}

static int run(struct vm_job *job, struct error *err)
{
    char path[VM_PATH_SIZE];
    struct error ignored;
    auto_close int directory_fd = open(sandbox_directory(job->engine, job->id, path),
                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the sandbox's files");
    }
    if (moment_check_space(job->engine, err) < 0 || moment_sync(job, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.suspend.synced");
    struct qmp *qmp = qmp_open(machine_qmp_path(job->machine, path), VM_QMP_MS, err);
    if (!qmp) {
        return -1;
    }
    chain_shorten(qmp, directory_fd, &ignored); /* there is another time */
    int result = save_or_continue(job, qmp, directory_fd, err);
    qmp_close(qmp);
    return result;
}

static void on_suspended(struct vm_job *job, const struct error *error)
{
    char path[VM_PATH_SIZE + 16], directory[VM_PATH_SIZE];
    struct machine *machine = job->machine;
    snprintf(path, sizeof(path), "%s/" VM_SAVED_NAME,
             sandbox_directory(job->engine, job->id, directory));
    if (directory_exists(path)) { /* also when its helper died right behind that */
        job->call->state = ENGINE_STATE_SUSPENDED;
        if (machine) {
            machine_suspended(machine, job->call);
        } else {
            call_done(job->call, NULL);
        }
        return;
    }
    struct error failure = {0};
    if (error) {
        failure = *error;
    } else {
        error_set(&failure, ERR_ENGINE, 0, "its memory was not saved");
    }
    error_prefix(&failure, "suspend sandbox %s", job->id);
    if (machine && (!job->report->finished || job->report->number)) {
        machine_recover(machine);
    }
    call_done(job->call, &failure);
}

/* The call is answered when it does not run. */
static void answer_at_rest(const struct engine *engine, const char *id, struct engine_call *call)
{
    char directory[VM_PATH_SIZE], path[VM_PATH_SIZE + 16];
    struct error error;
    sandbox_directory(engine, id, directory);
    snprintf(path, sizeof(path), "%s/" VM_SAVED_NAME, directory);
    if (directory_exists(path)) {
        call->state = ENGINE_STATE_SUSPENDED;
        call_done(call, NULL);
        return;
    }
    error_set(&error, directory_exists(directory) ? ERR_NOT_RUNNING : ERR_NOT_FOUND, 0,
              "sandbox %s does not run", id);
    call_done(call, &error);
}

static bool is_changing(const struct engine *engine, const struct machine *machine, const char *id)
{
    return (machine && machine->state != MACHINE_RUNNING) || vm_job_works_on(engine, id) ||
           vm_pending_find(engine, id);
}

void vm_freeze(struct engine *engine, const char *id, struct engine_call *call)
{
    struct error error = {0};
    struct machine *machine = machine_find(engine, id);
    if (is_changing(engine, machine, id)) {
        error_set(&error, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
        call_done(call, &error);
        return;
    }
    if (!machine) {
        answer_at_rest(engine, id, call);
        return;
    }
    struct vm_job *job = vm_job_new(engine, call, &error);
    if (!job) {
        call_done(call, &error);
        return;
    }
    snprintf(job->id, sizeof(job->id), "%s", id);
    job->machine = machine;
    job->run = run;
    job->done = on_suspended;
    vm_job_start(job);
}

void vm_thaw(struct engine *engine, const char *id, struct engine_call *call)
{
    struct error error = {0};
    struct machine *machine = machine_find(engine, id);
    if (is_changing(engine, machine, id)) {
        error_set(&error, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
    } else if (!machine) {
        char path[VM_PATH_SIZE];
        bool kept = directory_exists(sandbox_directory(engine, id, path));
        error_set(&error, kept ? ERR_NOT_RUNNING : ERR_NOT_FOUND, 0, "sandbox %s does not run", id);
    }
    call_done(call, error.code != ERR_NONE ? &error : NULL);
}
