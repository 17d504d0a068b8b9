#include "engine/vm/chain.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STREAM_MAX_MS = 60 * 1000, POLL_NS = 2 * 1000 * 1000, KEPT = 2 /* base and seed */ };

static const char job_name[] = "shorten";

/* 1: it has ended, well or with err set; 0: not yet; -1 with err: it cannot be known. */
static int look(struct qmp *qmp, struct error *job_error, struct error *err)
{
    json_t *jobs, *job;
    size_t i;
    int ended = 1; /* one that QEMU does not know has ended */
    if (qmp_execute(qmp, "query-jobs", NULL, -1, &jobs, err) < 0) {
        return -1;
    }
    json_array_foreach(jobs, i, job)
    {
        const char *id = json_string_value(json_object_get(job, "id"));
        const char *status = json_string_value(json_object_get(job, "status"));
        if (id && status && strcmp(id, job_name) == 0) {
            ended = strcmp(status, "concluded") == 0;
            const char *problem = json_string_value(json_object_get(job, "error"));
            if (ended && problem) {
                error_set(job_error, ERR_ENGINE, 0, "join the disk's images: %.100s", problem);
            }
        }
    }
    json_decref(jobs);
    return ended;
}

static int wait_for_job(struct qmp *qmp, struct error *err)
{
    struct error job_error = {0}, ignored;
    struct timespec pause = {.tv_nsec = POLL_NS};
    int64_t deadline_ms = clock_monotonic_ms() + STREAM_MAX_MS;
    int ended = 0;
    while ((ended = look(qmp, &job_error, err)) == 0 && clock_monotonic_ms() < deadline_ms) {
        nanosleep(&pause, NULL);
    }
    if (ended == 0) {
        qmp_execute(qmp, "job-cancel", json_pack("{s:s}", "id", job_name), -1, NULL, &ignored);
        return error_set(err, ERR_ENGINE, 0, "joining the disk's images takes too long");
    }
    qmp_execute(qmp, "job-dismiss", json_pack("{s:s}", "id", job_name), -1, NULL, &ignored);
    if (ended > 0 && job_error.code != ERR_NONE) {
        *err = job_error;
        return -1;
    }
    return ended > 0 ? 0 : -1;
}

static int shorten(struct qmp *qmp, int directory_fd, const struct vm_layers *whole,
                   struct error *err)
{
    struct vm_layers layers = *whole, shorter;
    struct error ignored;
    int top = layers.count - 1;
    json_t *arguments =
        json_pack("{s:s, s:s, s:s, s:b}", "job-id", job_name, "device", layers.at[top].name,
                  "base-node", layers.at[KEPT - 1].name, "auto-dismiss", 0);
    qmp_execute(qmp, "job-dismiss", json_pack("{s:s}", "id", job_name), -1, NULL, &ignored);
    if (qmp_execute(qmp, "block-stream", arguments, -1, NULL, err) < 0 ||
        wait_for_job(qmp, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.shorten.joined");
    shorter = layers;
    shorter.at[KEPT] = layers.at[top];
    shorter.count = KEPT + 1;
    if (vm_layers_write(directory_fd, &shorter, err) < 0 || fsync(directory_fd) < 0) {
        return -1;
    }
    for (int i = KEPT; i < top; i++) {
        qmp_execute(qmp, "blockdev-del", json_pack("{s:s}", "node-name", layers.at[i].name), -1,
                    NULL, &ignored);
        unlinkat(directory_fd, layers.at[i].name, 0);
    }
    return 0;
}

int chain_shorten(struct qmp *qmp, int directory_fd, struct error *err)
{
    struct vm_layers layers;
    struct error problem = {0};
    if (chain_read(qmp, directory_fd, &layers, err) < 0) {
        return -1;
    }
    if (layers.count < VM_LAYERS_MAX || shorten(qmp, directory_fd, &layers, &problem) == 0) {
        return 0;
    }
    if (layers.count < VM_LAYERS_MAX + VM_LAYERS_SLACK / 2) { /* what was joined so far stays so */
        log_warn("vm.shorten", "layers=%d error=%s", layers.count, problem.message);
        return 0;
    }
    *err = problem;
    return -1;
}
