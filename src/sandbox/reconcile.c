/*
 * After a crash of atolld or atoll-host, store and host may disagree. For each sandbox the table is:
 *
 *   store          host: running       frozen     suspended      stopped (files)      nothing
 *   provisioning   undo: destroy, error (in every case)
 *   running        adopt               thaw       paused         paused (persistent)  error
 *                                                                or error
 *   snapshotting   running             thaw       as running     as running           error
 *   pausing        running             paused     paused         paused               error
 *   paused         freeze              -          -              paused, cold         error
 *   resuming       running             paused     paused         paused, cold         error
 *   destroying     finish: destroy (in every case)
 *   error          end it, keep files  likewise   likewise       -                    -
 *   destroyed      destroy             destroy    destroy        destroy              -
 */
#include "sandbox/snapshot_internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct round {
    struct sandboxes *sandboxes;
    struct host_sandbox *hosted; /* in order of id */
    size_t hosted_count;
    uint64_t sequence; /* what changed later is newer than hosted */
    bool again;
};

static int compare_ids(const void *id, const void *entry)
{
    return strcmp(id, ((const struct host_sandbox *)entry)->id);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct host_sandbox *)a)->id, ((const struct host_sandbox *)b)->id);
}

static const struct host_sandbox *find_entry(const struct round *round, const char *id)
{
    return round->hosted_count ? bsearch(id, round->hosted, round->hosted_count,
                                         sizeof(*round->hosted), compare_ids)
                               : NULL;
}

static bool entry_is(const struct host_sandbox *entry, enum host_state state)
{
    return entry && entry->state == state;
}

/* Do store and host agree? */
static bool is_settled(const struct sandbox *sandbox, const struct host_sandbox *entry)
{
    const struct sandbox_record *record = &sandbox->record;
    switch (sandbox->state) {
    case SANDBOX_RUNNING:
        return entry_is(entry, HOST_STATE_RUNNING) &&
               strcmp(entry->agent_socket, record->agent_socket) == 0;
    case SANDBOX_PAUSED:
        return entry_is(entry, record->processes      ? HOST_STATE_FROZEN
                               : record->memory_saved ? HOST_STATE_SUSPENDED
                                                      : HOST_STATE_STOPPED);
    case SANDBOX_ERROR:
        return !entry || (record->files && entry->state == HOST_STATE_STOPPED);
    case SANDBOX_DESTROYED:
        return true;
    default:
        return false;
    }
}

static int to_running(struct sandboxes *sandboxes, struct sandbox *sandbox,
                      const struct host_sandbox *entry, struct error *err)
{
    struct sandbox_record next = sandbox->record;
    snprintf(next.agent_socket, sizeof(next.agent_socket), "%s", entry->agent_socket);
    /* Processes that the record does not know, or other ones: this daemon did not come to say so. */
    if (!next.processes || strcmp(next.agent_socket, sandbox->record.agent_socket) != 0) {
        start_run(sandboxes, sandbox);
        next.start_pending = start_pending_of(&next, false);
    }
    next.processes = 1;
    next.memory_saved = 0;
    return sandbox->state == SANDBOX_RUNNING
               ? change_commit_fields(sandboxes, sandbox, &next, err)
               : change_commit(sandboxes, sandbox, &next, SANDBOX_RUNNING, "reconcile", err);
}

static int to_paused(struct sandboxes *sandboxes, struct sandbox *sandbox, enum host_state state,
                     struct error *err)
{
    struct sandbox_record next = sandbox->record;
    paused_as(&next, state);
    if (sandbox_state_runs(sandbox->state)) {
        snprintf(next.last_pause_source, sizeof(next.last_pause_source), "host_restart");
    }
    return sandbox->state == SANDBOX_PAUSED
               ? change_commit_fields(sandboxes, sandbox, &next, err)
               : change_commit(sandboxes, sandbox, &next, SANDBOX_PAUSED, "host_restart", err);
}

/* Its processes are gone, and maybe its files: they are only removed by DELETE. */
static int processes_are_gone(struct sandboxes *sandboxes, struct sandbox *sandbox,
                              const struct host_sandbox *entry, struct error *err)
{
    if (!entry) {
        return fail_busy(sandboxes, sandbox, "the host has neither its processes nor its files",
                         true, err);
    }
    if (sandbox_state_runs(sandbox->state) && !sandbox->record.persistent) {
        return fail_busy(sandboxes, sandbox, "the host ended its processes (it was restarted)",
                         true, err);
    }
    /* They may just be ending: paused is one that can be resumed at once. */
    if (change_host_destroy(sandboxes, sandbox, true, err) < 0) {
        return -1;
    }
    if (sandbox->record.memory_saved) {
        log_warn("sandbox.memory_lost", "id=%s", sandbox->record.id);
    }
    return to_paused(sandboxes, sandbox, HOST_STATE_STOPPED, err);
}

static int undo_provisioning(struct sandboxes *sandboxes, struct sandbox *sandbox,
                             struct error *err)
{
    if (change_host_destroy(sandboxes, sandbox, false, err) < 0) {
        return -1;
    }
    return fail_busy(sandboxes, sandbox, "atoll was stopped while the sandbox was being created",
                     false, err);
}

static int settle_running(struct sandboxes *sandboxes, struct sandbox *sandbox,
                          const struct host_sandbox *entry, struct error *err)
{
    if (entry_is(entry, HOST_STATE_SUSPENDED)) {
        return to_paused(sandboxes, sandbox, HOST_STATE_SUSPENDED, err);
    }
    if (entry_is(entry, HOST_STATE_FROZEN) && change_host_thaw(sandboxes, sandbox, err) < 0) {
        return -1;
    }
    return entry && entry->state != HOST_STATE_STOPPED
               ? to_running(sandboxes, sandbox, entry, err)
               : processes_are_gone(sandboxes, sandbox, entry, err);
}

static int settle_paused(struct sandboxes *sandboxes, struct sandbox *sandbox,
                         const struct host_sandbox *entry, struct error *err)
{
    enum host_state state = entry ? entry->state : HOST_STATE_STOPPED;
    if (state == HOST_STATE_RUNNING && change_host_freeze(sandboxes, sandbox, &state, err) < 0) {
        return -1;
    }
    return state == HOST_STATE_STOPPED ? processes_are_gone(sandboxes, sandbox, entry, err)
                                       : to_paused(sandboxes, sandbox, state, err);
}

/* Between running and paused: what the host says is what it is. It says running, too, while it still
 * carries out the freeze that another life of this daemon asked for; then it refuses to thaw, and the
 * next round sees how that ended. */
static int settle_half_way(struct sandboxes *sandboxes, struct sandbox *sandbox,
                           const struct host_sandbox *entry, struct error *err)
{
    if (entry_is(entry, HOST_STATE_RUNNING)) {
        return change_host_thaw(sandboxes, sandbox, err) < 0
                   ? -1
                   : to_running(sandboxes, sandbox, entry, err);
    }
    return entry && entry->state != HOST_STATE_STOPPED
               ? to_paused(sandboxes, sandbox, entry->state, err)
               : processes_are_gone(sandboxes, sandbox, entry, err);
}

static int settle_busy(struct sandboxes *sandboxes, struct sandbox *sandbox,
                       const struct host_sandbox *entry, struct error *err)
{
    switch (sandbox->state) {
    case SANDBOX_PROVISIONING:
        return undo_provisioning(sandboxes, sandbox, err);
    case SANDBOX_RUNNING:
    case SANDBOX_SNAPSHOTTING:
        return settle_running(sandboxes, sandbox, entry, err);
    case SANDBOX_PAUSED:
        return settle_paused(sandboxes, sandbox, entry, err);
    case SANDBOX_PAUSING:
    case SANDBOX_RESUMING:
        return settle_half_way(sandboxes, sandbox, entry, err);
    case SANDBOX_DESTROYING:
        return destroy_busy(sandboxes, sandbox, "reconcile", err);
    case SANDBOX_ERROR:
        return change_host_destroy(sandboxes, sandbox, sandbox->record.files, err);
    default:
        return 0;
    }
}

/* May this round judge the sandbox? Mutex held. */
static bool may_judge(const struct round *round, const struct sandbox *sandbox)
{
    return !sandbox->busy && sandbox->sequence < round->sequence;
}

/* Takes the reference. */
static void settle(struct round *round, struct sandbox *sandbox)
{
    const struct host_sandbox *entry = find_entry(round, sandbox->id);
    pthread_mutex_lock(&sandbox->mutex);
    bool settled = is_settled(sandbox, entry);
    if (settled && !sandbox->busy) {
        sandbox->unresolved = false;
    }
    if (settled || !may_judge(round, sandbox)) {
        round->again = round->again || !settled;
        pthread_mutex_unlock(&sandbox->mutex);
        sandbox_unref(sandbox);
        return;
    }
    sandbox->busy = true;
    struct error err = {0};
    log_info("reconcile.settle", "id=%s state=%s host=%d", sandbox->record.id,
             sandbox->record.state, entry ? (int)entry->state : 0);
    if (settle_busy(round->sandboxes, sandbox, entry, &err) < 0) {
        log_warn("reconcile.unsettled", "id=%s error=%s", sandbox->record.id, err.message);
        round->again = true;
    } else {
        sandbox->unresolved = false;
    }
    change_end(round->sandboxes, sandbox);
}

static bool any(const struct sandbox *sandbox, void *context)
{
    (void)sandbox;
    (void)context;
    return true;
}

static int settle_all(struct round *round, struct error *err)
{
    struct sandbox **found = NULL;
    size_t count = 0;
    if (registry_select(round->sandboxes, NULL, any, NULL, 0, &found, &count) < 0) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "reconcile");
    }
    for (size_t i = 0; i < count; i++) {
        settle(round, found[i]);
    }
    free(found);
    return 0;
}

/* What the host has and nobody knows of: a destroyed sandbox, or one of another life. */
static void destroy_unknown(struct round *round)
{
    for (size_t i = 0; i < round->hosted_count; i++) {
        const char *id = round->hosted[i].id;
        struct sandbox *sandbox = registry_find(round->sandboxes, NULL, id);
        if (sandbox) {
            sandbox_unref(sandbox);
            continue;
        }
        if (browsers_know(round->sandboxes, id)) {
            continue;
        }
        struct error err = {0};
        log_warn("reconcile.unknown", "id=%s action=destroy", id);
        if (host_destroy(round->sandboxes->host, id, false, &err) < 0) {
            log_warn("reconcile.unsettled", "id=%s error=%s", id, err.message);
            round->again = true;
        }
    }
}

int reconcile(struct sandboxes *sandboxes, bool *ret_again, struct error *err)
{
    struct round round = {.sandboxes = sandboxes, .sequence = atomic_load(&sandboxes->sequence)};
    if (host_list(sandboxes->host, &round.hosted, &round.hosted_count, err) < 0) {
        return -1;
    }
    if (round.hosted_count > 0) {
        qsort(round.hosted, round.hosted_count, sizeof(*round.hosted), compare_entries);
    }
    int result = settle_all(&round, err);
    if (result == 0) {
        destroy_unknown(&round);
        claims_settle(sandboxes, &round.again);
        snapshots_reconcile(sandboxes, &round.again);
    }
    free(round.hosted);
    *ret_again = round.again;
    return result;
}
