#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/vm/chain.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 60 * 1000 /* the host's disk may be slow, and QEMU wait for it */ };

/* A machine whose helper died may stand still: it goes on. */
static int run(struct vm_job *job, struct error *err)
{
    char path[VM_PATH_SIZE], state[32];
    struct vm_layers layers;
    struct error ignored;
    auto_close int directory_fd = open(sandbox_directory(job->engine, job->id, path),
                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct qmp *qmp = qmp_open(machine_qmp_path(job->machine, path), PATIENCE_MS, err);
    if (!qmp) {
        return -1;
    }
    int result = qmp_run_state(qmp, state, err);
    if (result == 0 && strcmp(state, "running") != 0) {
        result = machine_continue(qmp, err);
        if (result == 0) {
            moment_correct_clock(job);
        }
    }
    if (result == 0) {
        chain_read(qmp, directory_fd, &layers, &ignored);
    }
    qmp_close(qmp);
    return result;
}

/* Rather one that ended, which is told, than one that stands still for good. */
static void on_recovered(struct vm_job *job, const struct error *error)
{
    if (error && job->machine) {
        log_error("vm.recover", "id=%s error=%s", job->id, error->message);
        kill(job->qemu_pid, SIGKILL);
    }
}

void machine_recover(struct machine *machine)
{
    struct error error = {0};
    struct vm_job *job = vm_job_new(machine->engine, NULL, &error);
    if (!job) {
        log_error("vm.recover", "id=%s error=%s", machine->plan.id, error.message);
        return;
    }
    snprintf(job->id, sizeof(job->id), "%s", machine->plan.id);
    job->machine = machine;
    job->run = run;
    job->done = on_recovered;
    vm_job_start(job);
}
