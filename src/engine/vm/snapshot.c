#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"

#include <stdio.h>
#include <string.h>

static char *temporary_path(const struct engine *engine, const char *snapshot_id,
                            char path[VM_PATH_SIZE])
{
    snprintf(path, VM_PATH_SIZE, "%s/%s.tmp", engine->snapshots_path, snapshot_id);
    return path;
}

bool vm_snapshot_has(const struct engine *engine, const char *snapshot_id)
{
    char path[VM_PATH_SIZE];
    return directory_exists(snapshot_directory(engine, snapshot_id, path));
}

static bool is_being_made(const struct engine *engine, const char *snapshot_id)
{
    for (const struct vm_job *job = engine->jobs; job; job = job->next) {
        if (strcmp(job->snapshot_id, snapshot_id) == 0) {
            return true;
        }
    }
    return false;
}

/* Nothing may be left of what failed; it may have come as far as its name. */
static void discard(struct engine *engine, const char *snapshot_id)
{
    char path[VM_PATH_SIZE];
    trash_directory(engine, temporary_path(engine, snapshot_id, path));
    trash_directory(engine, snapshot_directory(engine, snapshot_id, path));
}

static void on_saved(struct vm_job *job, const struct error *error)
{
    struct engine_call *call = job->call;
    struct error failure;
    if (!error) {
        call->saved = job->report->saved;
        FAULT_POINT("host.vm.snapshot.answered");
        call_done(call, NULL);
        return;
    }
    failure = *error;
    error_prefix(&failure, "snapshot sandbox %s", job->id);
    discard(job->engine, job->snapshot_id);
    if (job->machine && (!job->report->finished || job->report->number)) {
        machine_recover(job->machine);
    }
    call_done(call, &failure);
}

static int check(const struct engine *engine, const struct engine_snapshot *plan,
                 const struct machine *machine, struct error *err)
{
    char path[VM_PATH_SIZE];
    if (vm_snapshot_has(engine, plan->snapshot_id) || is_being_made(engine, plan->snapshot_id)) {
        return error_set(err, ERR_CONFLICT, 0, "snapshot %s exists", plan->snapshot_id);
    }
    if ((machine && machine->state != MACHINE_RUNNING) || vm_job_works_on(engine, plan->id) ||
        vm_pending_find(engine, plan->id)) {
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s is changing its state", plan->id);
    }
    if (!machine && !directory_exists(sandbox_directory(engine, plan->id, path))) {
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox %s does not exist", plan->id);
    }
    return 0;
}

void vm_snapshot(struct engine *engine, const struct engine_snapshot *plan,
                 struct engine_call *call)
{
    struct error error = {0};
    char path[VM_PATH_SIZE];
    struct machine *machine = machine_find(engine, plan->id);
    struct vm_job *job = NULL;
    if (check(engine, plan, machine, &error) < 0 || !(job = vm_job_new(engine, call, &error))) {
        call_done(call, &error);
        return;
    }
    snprintf(job->id, sizeof(job->id), "%s", plan->id);
    snprintf(job->snapshot_id, sizeof(job->snapshot_id), "%s", plan->snapshot_id);
    job->machine = machine;
    job->run = machine ? snapshot_run_live : snapshot_run_kept;
    job->done = on_saved;
    snprintf(job->path, sizeof(job->path), "%s/" VM_SAVED_NAME,
             sandbox_directory(engine, plan->id, path));
    job->flag = !machine && directory_exists(job->path);
    vm_job_start(job);
}

void vm_snapshot_remove(struct engine *engine, const char *snapshot_id, struct engine_call *call)
{
    char path[VM_PATH_SIZE];
    struct error error;
    struct vm_job *next;
    for (struct vm_job *job = engine->jobs; job; job = next) {
        next = job->next;
        if (strcmp(job->snapshot_id, snapshot_id) == 0) {
            vm_job_cancel(job);
        }
    }
    if (trash_directory(engine, snapshot_directory(engine, snapshot_id, path)) < 0) {
        error_set(&error, ERR_ENGINE, errno, "remove snapshot %s", snapshot_id);
        call_done(call, &error);
        return;
    }
    FAULT_POINT("host.vm.snapshot.removed");
    call_done(call, NULL);
}

static int run_check(struct vm_job *job, struct error *err)
{
    struct vm_about about;
    int fd = snapshot_open_checked(job->engine, job->snapshot_id, job->digest, &about,
                                   job->report->text, err);
    close_fd(fd);
    return fd < 0 ? -1 : 0;
}

static void on_checked(struct vm_job *job, const struct error *error)
{
    if (!error) {
        snprintf(job->call->memory_problem, sizeof(job->call->memory_problem), "%s",
                 job->report->text);
    }
    call_done(job->call, error);
}

void vm_snapshot_check(struct engine *engine, const char *snapshot_id, const char *digest,
                       const char *template_image, struct engine_call *call)
{
    struct error error = {0};
    struct vm_job *job = vm_job_new(engine, call, &error);
    (void)template_image; /* its root disk is the snapshot's own */
    if (!job) {
        call_done(call, &error);
        return;
    }
    snprintf(job->snapshot_id, sizeof(job->snapshot_id), "%s", snapshot_id);
    snprintf(job->digest, sizeof(job->digest), "%s", digest);
    job->run = run_check;
    job->done = on_checked;
    vm_job_start(job);
}
