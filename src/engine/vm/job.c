#include "engine/vm/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "linux/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct vm_job *vm_job_new(struct engine *engine, struct engine_call *call, struct error *err)
{
    struct vm_job *job = calloc(1, sizeof(*job));
    void *report =
        mmap(NULL, sizeof(*job->report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!job || report == MAP_FAILED) {
        free(job);
        error_set(err, ERR_INTERNAL, ENOMEM, "start a helper");
        return NULL;
    }
    job->engine = engine;
    job->call = call;
    job->report = report;
    job->child.source.fd = -1;
    return job;
}

static void free_job(struct vm_job *job)
{
    struct vm_job **at = &job->engine->jobs;
    while (*at && *at != job) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = job->next;
    }
    event_timer_clear(job->engine->context.loop, &job->timer);
    event_child_remove(&job->child);
    munmap(job->report, sizeof(*job->report));
    free(job);
}

static void finish(struct vm_job *job)
{
    struct engine *engine = job->engine;
    struct error error = job->report->error;
    if (!job->report->finished) {
        error_set(&error, ERR_ENGINE, 0, "the helper ended before its work was done");
    }
    if (job->machine && job->machine->state == MACHINE_SAVING) {
        machine_move(job->machine, MACHINE_RUNNING);
    }
    event_timer_clear(engine->context.loop, &job->timer);
    event_child_remove(&job->child);
    job->over = true;
    job->done(job, error.code == ERR_NONE ? NULL : &error);
    free_job(job);
    vm_check_closed(engine);
}

static void on_exit_of_helper(void *owner, int wait_status)
{
    (void)wait_status;
    finish(owner);
}

void vm_job_cancel(struct vm_job *job)
{
    if (job->child.source.fd >= 0) {
        process_signal(job->child.source.fd, SIGKILL);
    }
}

static void on_late(void *owner)
{
    struct vm_job *job = owner;
    log_warn("job.late", "id=%s snapshot=%s", job->id, job->snapshot_id);
    vm_job_cancel(job);
}

static void __attribute__((noreturn)) work(struct vm_job *job)
{
    struct error error = {0};
    if (job->run(job, &error) < 0 && error.code == ERR_NONE) {
        error_set(&error, ERR_ENGINE, 0, "it failed without a reason");
    }
    job->report->error = error;
    job->report->finished = true;
    _exit(0);
}

void vm_job_start(struct vm_job *job)
{
    struct engine *engine = job->engine;
    job->next = engine->jobs;
    engine->jobs = job;
    if (job->machine) {
        job->qemu_pid = job->machine->qemu_pid;
        machine_move(job->machine, MACHINE_SAVING);
    }
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        work(job);
    }
    job->timer.owner = job;
    job->timer.on_due = on_late;
    event_timer_set(engine->context.loop, &job->timer, VM_JOB_MAX_MS);
    if (pid < 0 ||
        event_child_add(engine->context.loop, &job->child, pid, on_exit_of_helper, job) < 0) {
        error_set(&job->report->error, ERR_INTERNAL, errno, "start a helper");
        job->report->finished = true;
        finish(job);
    }
}

void vm_jobs_lose_machine(const struct machine *machine)
{
    for (struct vm_job *job = machine->engine->jobs; job; job = job->next) {
        if (job->machine == machine && !job->over) {
            job->machine = NULL;
            vm_job_cancel(job);
        }
    }
}

bool vm_job_works_on(const struct engine *engine, const char *id)
{
    const struct vm_job *job = engine->jobs;
    while (job && (job->over || strcmp(job->id, id) != 0)) {
        job = job->next;
    }
    return job != NULL;
}
