#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "linux/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * atoll-host stops and continues the source, a helper does everything else, so that whatever becomes of
 * the helper the source runs on, and a new atoll-host finds by the slot's record what it should be doing.
 */

enum {
    POLL_MS = 1,
    FREEZE_MAX_MS = 10 * 1000,
    STANDSTILL_MAX_MS =
        30 * 1000, /* rather no snapshot than a source that stands still for longer */
};

char *snapshot_temporary_name(const struct snapshot_job *job, char name[SNAPSHOT_NAME_SIZE])
{
    snprintf(name, SNAPSHOT_NAME_SIZE, "%s.tmp", job->plan.snapshot_id);
    return name;
}

struct snapshot_job *snapshot_job_free(struct snapshot_job *job)
{
    if (job) {
        event_timer_clear(job->engine->context.loop, &job->timer);
        event_source_close(job->engine->context.loop, &job->gate);
        event_child_remove(&job->helper);
        close_fd(job->image_fd);
        close_fd(job->root_fd);
        snapshot_report_free(job->report);
        free(job);
    }
    return NULL;
}

/* The source goes on as it was. */
static void release_source(struct snapshot_job *job)
{
    struct slot *slot = job->slot;
    struct error error;
    job->slot = NULL;
    job->copying = false;
    event_timer_clear(job->engine->context.loop, &job->timer);
    if (!slot) {
        return;
    }
    if (slot->record->state == RECORD_FROZEN) {
        slot_move(slot, SLOT_FROZEN);
        return;
    }
    if (job->frozen_us > 0) {
        if (cgroup_set_frozen(&job->engine->cgroups, slot->cgroup, false, &error) < 0) {
            log_error("snapshot.thaw", "id=%s error=%s", job->plan.id, error.message);
        }
        job->pause_us = clock_monotonic_us() - job->frozen_us;
    }
    slot_move(slot, SLOT_RUNNING);
}

/* The answer follows when the helper has ended. */
static void give_up(struct snapshot_job *job, const struct error *error)
{
    if (job->error.code == ERR_NONE) {
        job->error = *error;
    }
    release_source(job);
    if (job->helper.source.fd >= 0) {
        process_signal(job->helper.source.fd, SIGKILL);
    }
}

void snapshot_discard(struct snapshot_job *job)
{
    char name[SNAPSHOT_NAME_SIZE];
    snapshot_trash(job->engine, snapshot_temporary_name(job, name));
    snapshot_trash(job->engine, job->plan.snapshot_id); /* it may have come just so far */
}

static void finish(struct snapshot_job *job, bool saved)
{
    struct engine *engine = job->engine;
    struct engine_call *call = job->call;
    struct error error = job->error.code != ERR_NONE ? job->error : job->report->error;
    struct snapshot_job **link = &engine->snapshots;
    while (*link != job) {
        link = &(*link)->next;
    }
    *link = job->next;
    if (saved) {
        call->saved = job->report->saved;
        call->saved.pause_us = job->pause_us;
        snapshot_remember(engine, &job->report->file, job->report->saved.digest);
        FAULT_POINT("host.snapshot.saved");
    } else {
        snapshot_discard(job);
        if (error.code == ERR_NONE) {
            error_set(&error, ERR_ENGINE, 0, "the process that made it ended");
        }
        error_prefix(&error, "snapshot sandbox %s", job->plan.id);
    }
    snapshot_job_free(job);
    call_done(call, saved ? NULL : &error);
    container_check_closed(engine);
}

void snapshot_on_helper_exit(void *owner, int wait_status)
{
    struct snapshot_job *job = owner;
    release_source(job);
    finish(job, wait_status == 0 && job->error.code == ERR_NONE);
}

static void on_standstill(void *owner)
{
    struct error error;
    error_set(&error, ERR_ENGINE, 0, "copying what changes takes longer than %d seconds",
              STANDSTILL_MAX_MS / 1000);
    give_up(owner, &error);
}

static void let_copy(struct snapshot_job *job)
{
    char byte = SNAPSHOT_GO;
    struct error error;
    FAULT_POINT("host.snapshot.frozen");
    if (send(job->gate.fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
        error_set(&error, ERR_ENGINE, errno, "speak to the process that copies");
        give_up(job, &error);
    } else if (job->frozen_us > 0) {
        job->timer.on_due = on_standstill;
        event_timer_set(job->engine->context.loop, &job->timer, STANDSTILL_MAX_MS);
    }
}

void snapshot_poll_frozen(void *owner)
{
    struct snapshot_job *job = owner;
    struct error error;
    if (cgroup_is_frozen(&job->engine->cgroups, job->slot->cgroup) == 1) {
        let_copy(job);
    } else if (clock_monotonic_ms() - job->since_ms > FREEZE_MAX_MS) {
        error_set(&error, ERR_ENGINE, 0, "its processes do not stop");
        give_up(job, &error);
    } else {
        event_timer_set(job->engine->context.loop, &job->timer, POLL_MS);
    }
}

static void stop_source(struct snapshot_job *job)
{
    struct error error;
    if (!job->slot || job->slot->record->state == RECORD_FROZEN) {
        let_copy(job);
        return;
    }
    job->since_ms = clock_monotonic_ms();
    job->frozen_us = clock_monotonic_us();
    if (cgroup_set_frozen(&job->engine->cgroups, job->slot->cgroup, true, &error) < 0) {
        give_up(job, &error);
        return;
    }
    FAULT_POINT("host.snapshot.freezing");
    snapshot_poll_frozen(job);
}

void snapshot_on_word(void *owner, uint32_t events)
{
    struct snapshot_job *job = owner;
    char byte = 0;
    (void)events;
    ssize_t got = recv(job->gate.fd, &byte, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        event_source_close(job->engine->context.loop, &job->gate); /* its end is about to come */
    } else if (job->error.code != ERR_NONE) {
        return;
    } else if (byte == SNAPSHOT_READY) {
        stop_source(job);
    } else if (byte == SNAPSHOT_COPIED) {
        FAULT_POINT("host.snapshot.copied");
        release_source(job);
        FAULT_POINT("host.snapshot.released");
    }
}

bool snapshot_copies_disk(const struct engine *engine, const char *id)
{
    for (const struct snapshot_job *job = engine->snapshots; job; job = job->next) {
        if (job->copying && !job->slot && strcmp(job->plan.id, id) == 0) {
            return true;
        }
    }
    return false;
}

void snapshot_lose_slot(struct slot *slot)
{
    struct error error;
    for (struct snapshot_job *job = slot->engine->snapshots; job; job = job->next) {
        if (job->slot == slot) {
            error_set(&error, ERR_NOT_RUNNING, 0, "it ended");
            give_up(job, &error);
            return;
        }
    }
}

void snapshot_cancel(struct engine *engine, const char *snapshot_id)
{
    struct error error;
    for (struct snapshot_job *job = engine->snapshots; job; job = job->next) {
        if (!snapshot_id) {
            error_set(&error, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
            give_up(job, &error);
        } else if (strcmp(job->plan.snapshot_id, snapshot_id) == 0) {
            error_set(&error, ERR_CANCELLED, 0, "the snapshot was removed");
            give_up(job, &error);
        }
    }
}

void snapshot_jobs_free(struct engine *engine)
{
    while (engine->snapshots) {
        struct snapshot_job *job = engine->snapshots;
        engine->snapshots = job->next;
        snapshot_job_free(job);
    }
}
