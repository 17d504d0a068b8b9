#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "linux/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* The slot or the kept disk that is to be saved. */
static int find_source(struct snapshot_job *job, struct error *err)
{
    struct engine *engine = job->engine;
    const char *id = job->plan.id;
    job->slot = slot_find(engine, id);
    if (job->slot) {
        if (job->slot->state == SLOT_RUNNING || job->slot->state == SLOT_FROZEN) {
            return 0;
        }
        job->slot = NULL;
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
    }
    if (pending_has(engine, id) || slot_holding_disk(engine, id)) {
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s is changing its state", id);
    }
    return disk_exists(engine, id) ? 0
                                   : error_set(err, ERR_NOT_FOUND, 0, "there is no sandbox %s", id);
}

static bool in_the_making(const struct engine *engine, const char *snapshot_id)
{
    for (const struct snapshot_job *job = engine->snapshots; job; job = job->next) {
        if (strcmp(job->plan.snapshot_id, snapshot_id) == 0) {
            return true;
        }
    }
    return false;
}

bool container_snapshot_has(const struct engine *engine, const char *snapshot_id)
{
    return in_the_making(engine, snapshot_id) || snapshot_exists(engine, snapshot_id);
}

static int check(struct snapshot_job *job, struct error *err)
{
    const struct engine *engine = job->engine;
    if (engine->closing) {
        return error_set(err, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
    }
    if (engine->problem[0]) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s", engine->problem);
    }
    if (container_snapshot_has(engine, job->plan.snapshot_id)) {
        return error_set(err, ERR_CONFLICT, 0, "snapshot %s exists", job->plan.snapshot_id);
    }
    return find_source(job, err) < 0 ? -1
                                     : snapshot_template_digest(engine, job->plan.template_image,
                                                                job->template_digest, err);
}

static int open_source(struct snapshot_job *job, struct error *err)
{
    char path[CONTAINER_PATH_SIZE];
    disk_path(job->engine, job->plan.id, path);
    job->image_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (job->image_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the disk of %s", job->plan.id);
    }
    if (!job->slot) {
        return 0;
    }
    job->loop_number = job->slot->record->loop_number;
    snprintf(path, sizeof(path), "/proc/%d/root", job->slot->record->pid);
    job->root_fd = job->slot->disk_fd >= 0 ? fcntl(job->slot->disk_fd, F_DUPFD_CLOEXEC, 3)
                                           : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return job->root_fd < 0
               ? error_set(err, ERR_ENGINE, errno, "open the files of %s", job->plan.id)
               : 0;
}

static int make_directory(const struct snapshot_job *job, struct error *err)
{
    char name[SNAPSHOT_NAME_SIZE], path[CONTAINER_PATH_SIZE + SNAPSHOT_NAME_SIZE];
    snprintf(path, sizeof(path), "%s/%s", job->engine->snapshots_path,
             snapshot_temporary_name(job, name));
    return mkdir(path, 0700) < 0
               ? error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "make %s", path)
               : 0;
}

static int start_helper(struct snapshot_job *job, struct error *err)
{
    struct event_loop *loop = job->engine->context.loop;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "make a socket pair");
    }
    auto_close int gate = pair[0], inner = pair[1];
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        close_fd(take_fd(&gate));
        snapshot_save(job, inner);
    }
    if (pid < 0 || event_child_add(loop, &job->helper, pid, snapshot_on_helper_exit, job) < 0 ||
        event_source_add(loop, &job->gate, gate, EPOLLIN, snapshot_on_word, job) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "start a helper");
    }
    take_fd(&gate);
    job->image_fd = close_fd(job->image_fd);
    job->root_fd = close_fd(job->root_fd);
    return 0;
}

static int begin(struct snapshot_job *job, struct error *err)
{
    job->report = snapshot_report_new(err);
    if (!job->report || check(job, err) < 0 || open_source(job, err) < 0 ||
        make_directory(job, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.snapshot.begun");
    if (start_helper(job, err) < 0) {
        snapshot_discard(job);
        return -1;
    }
    job->copying = true;
    if (job->slot) {
        slot_move(job->slot, SLOT_SNAPSHOTTING);
    }
    job->next = job->engine->snapshots;
    job->engine->snapshots = job;
    return 0;
}

void container_snapshot(struct engine *engine, const struct engine_snapshot *plan,
                        struct engine_call *call)
{
    struct error error = {0};
    struct snapshot_job *job = calloc(1, sizeof(*job));
    if (!job) {
        error_set(&error, ERR_INTERNAL, ENOMEM, "snapshot sandbox %s", plan->id);
        call_done(call, &error);
        return;
    }
    *job = (struct snapshot_job){.engine = engine,
                                 .plan = *plan,
                                 .call = call,
                                 .image_fd = -1,
                                 .root_fd = -1,
                                 .gate.fd = -1,
                                 .helper.source.fd = -1};
    job->timer.owner = job;
    job->timer.on_due = snapshot_poll_frozen;
    if (begin(job, &error) < 0) {
        snapshot_job_free(job);
        call_done(call, &error);
    }
}
