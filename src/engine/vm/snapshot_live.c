#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/vm/chain.h"

#include <string.h>

/*
 * A snapshot of a running machine, in a helper: everything that can be done ahead is, then the machine stands still while its
 * devices and the pages that it has written are saved and its disk gets a new top; the rest is done while it
 * runs again. Whatever fails, it goes on, here or, when this process dies, through the job that follows.
 */

/* What must not take long: the machine stands still. */
static int save_moment(struct vm_job *job, struct qmp *qmp, struct snapshot_files *files,
                       const struct vm_layers *layers, struct error *err)
{
    FAULT_POINT("host.vm.snapshot.stopped");
    if (moment_save(job, qmp, files->source_fd, files->saved_fd, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.snapshot.saved");
    if (chain_switch(qmp, layers, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.snapshot.switched");
    return 0;
}

static int stand_still(struct vm_job *job, struct qmp *qmp, struct snapshot_files *files,
                       const struct vm_layers *layers, struct error *err)
{
    struct error error = {0};
    int64_t since_us = clock_monotonic_us();
    alarm(STANDSTILL_MAX_S);
    int result = machine_stop(qmp, err) < 0 ? -1 : save_moment(job, qmp, files, layers, err);
    int continued = machine_continue(qmp, &error);
    alarm(0);
    files->result.pause_us = clock_monotonic_us() - since_us;
    job->report->number = continued < 0; /* it may stand still */
    FAULT_POINT("host.vm.snapshot.continued");
    if (result == 0 && continued < 0) {
        *err = error;
        return -1;
    }
    return result;
}

/* The finished layer's digest need not be computed again for the next snapshot. */
static void list_digests(struct snapshot_files *files, struct vm_layers *layers)
{
    struct error ignored;
    for (int i = 0; i < files->layers.count; i++) {
        layers->at[i] = files->layers.at[i];
    }
    vm_layers_write(files->source_fd, layers, &ignored);
}

static int save(struct vm_job *job, struct qmp *qmp, struct snapshot_files *files,
                struct vm_layers *layers, struct error *err)
{
    if (chain_prepare(qmp, files->source_fd, layers, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.snapshot.prepared");
    files->layers = *layers;
    if (snapshot_link(files, layers->count - 1, err) < 0 ||
        stand_still(job, qmp, files, layers, err) < 0) {
        struct vm_layers now;
        struct error ignored;
        chain_read(qmp, files->source_fd, &now, &ignored); /* drops the top if it is not in use */
        return -1;
    }
    moment_correct_clock(job);
    if (moment_finish(job, files->saved_fd, &files->about, &files->saved_about,
                      &files->result.memory_bytes, err) < 0) {
        return -1;
    }
    files->result.stored_bytes = files->result.memory_bytes;
    if (snapshot_publish(files, job->snapshot_id, err) < 0) {
        return -1;
    }
    list_digests(files, layers);
    return 0;
}

static int run(struct vm_job *job, struct snapshot_files *files, struct error *err)
{
    struct vm_layers layers;
    if (moment_check_space(job->engine, err) < 0 || moment_sync(job, err) < 0 ||
        vm_snapshot_open(files, job->engine, job->id, job->snapshot_id, true, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.snapshot.begun");
    char path[ENGINE_SOCKET_PATH_SIZE];
    struct qmp *qmp = qmp_open(machine_qmp_path(job->machine, path), VM_QMP_MS, err);
    if (!qmp) {
        return -1;
    }
    int result = chain_shorten(qmp, files->source_fd, err) < 0 ||
                         chain_read(qmp, files->source_fd, &layers, err) < 0 ||
                         save(job, qmp, files, &layers, err) < 0
                     ? -1
                     : 0;
    qmp_close(qmp);
    return result;
}

int snapshot_run_live(struct vm_job *job, struct error *err)
{
    struct snapshot_files files = {
        .parent_fd = -1, .source_fd = -1, .directory_fd = -1, .saved_fd = -1};
    int result = run(job, &files, err);
    job->report->saved = files.result;
    vm_snapshot_close(&files);
    return result;
}
