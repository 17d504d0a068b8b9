#include "sandbox/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static struct sandboxes *allocate(const struct settings *settings, struct store *store,
                                  struct events *events, struct hostclient *host,
                                  const struct catalogue *catalogue)
{
    struct sandboxes *sandboxes = calloc(1, sizeof(*sandboxes));
    if (!sandboxes) {
        return NULL;
    }
    sandboxes->settings = settings;
    sandboxes->store = store;
    sandboxes->events = events;
    sandboxes->host = host;
    sandboxes->catalogue = catalogue;
    atomic_init(&sandboxes->sequence, 1);
    starts_init(&sandboxes->starts);
    expiries_init(&sandboxes->expiries);
    browsers_init(&sandboxes->browsers);
    pthread_rwlock_init(&sandboxes->views_lock, NULL);
    pthread_rwlock_init(&sandboxes->registry_lock, NULL);
    pthread_mutex_init(&sandboxes->host_mutex, NULL);
    pthread_mutex_init(&sandboxes->timer_mutex, NULL);
    pthread_mutex_init(&sandboxes->holds_mutex, NULL);
    pthread_mutex_init(&sandboxes->warm_mutex, NULL);
    pthread_cond_init(&sandboxes->first_round, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sandboxes->timer_wake, &attributes);
    pthread_condattr_destroy(&attributes);
    sandboxes->watch_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return sandboxes;
}

/* Takes the record. */
static int restore(struct sandboxes *sandboxes, struct sandbox_record *record, struct error *err)
{
    enum sandbox_state state = sandbox_state_parse(record->state);
    if (state == SANDBOX_STATE_COUNT) {
        log_error("sandbox.unknown_state", "id=%s state=%s", record->id, record->state);
        sandbox_record_clear(record);
        return 0;
    }
    struct sandbox *sandbox = sandbox_new(record, state);
    if (!sandbox) {
        sandbox_record_clear(record);
        return error_set(err, ERR_INTERNAL, ENOMEM, "load sandbox %s", record->id);
    }
    sandbox->counted = record->files != 0;
    int result = registry_restore(sandboxes, sandbox, err);
    sandbox_unref(sandbox);
    return result;
}

static int load(struct sandboxes *sandboxes, struct error *err)
{
    struct sandbox_record *records = NULL;
    size_t count = 0;
    if (store_idempotency_recover(sandboxes->store, &sandboxes->claims, &sandboxes->claim_count,
                                  err) < 0 ||
        store_sandbox_load_living(sandboxes->store, &records, &count, err) < 0) {
        return -1;
    }
    int result = 0;
    for (size_t i = 0; i < count; i++) {
        if (result == 0) {
            result = restore(sandboxes, &records[i], err);
        } else {
            sandbox_record_clear(&records[i]);
        }
    }
    free(records);
    log_info("sandboxes.loaded", "count=%zu", count);
    return result;
}

struct sandboxes *sandboxes_open(const struct settings *settings, struct store *store,
                                 struct events *events, struct hostclient *host,
                                 const struct catalogue *catalogue, struct error *err)
{
    struct sandboxes *sandboxes = allocate(settings, store, events, host, catalogue);
    if (!sandboxes || sandboxes->watch_wake_fd < 0) {
        error_set(err, ERR_INTERNAL, errno, "open the sandboxes");
        return sandboxes_close(sandboxes);
    }
    if (load(sandboxes, err) < 0 || watcher_start(sandboxes, err) < 0 ||
        timers_start(sandboxes, err) < 0) {
        return sandboxes_close(sandboxes);
    }
    return sandboxes;
}

struct sandboxes *sandboxes_close(struct sandboxes *sandboxes)
{
    if (!sandboxes) {
        return NULL;
    }
    sandboxes->closing = true;
    timers_stop(sandboxes);
    watcher_stop(sandboxes);
    starts_close(&sandboxes->starts);
    browsers_close(sandboxes);
    registry_clear(sandboxes);
    preview_domains_clear(sandboxes);
    free(sandboxes->claims);
    close_fd(sandboxes->watch_wake_fd);
    pthread_cond_destroy(&sandboxes->timer_wake);
    pthread_cond_destroy(&sandboxes->first_round);
    pthread_mutex_destroy(&sandboxes->warm_mutex);
    pthread_mutex_destroy(&sandboxes->holds_mutex);
    pthread_mutex_destroy(&sandboxes->timer_mutex);
    pthread_mutex_destroy(&sandboxes->host_mutex);
    pthread_rwlock_destroy(&sandboxes->views_lock);
    pthread_rwlock_destroy(&sandboxes->registry_lock);
    free(sandboxes);
    return NULL;
}

void sandboxes_gateway_port(struct sandboxes *sandboxes, int port)
{
    atomic_store(&sandboxes->gateway_port, port);
}

bool sandboxes_host_connected(const struct sandboxes *sandboxes)
{
    return sandboxes->host_connected;
}

static bool count_state(const struct sandbox *sandbox, void *context)
{
    struct sandbox_counts *counts = context;
    enum sandbox_engine engine = engine_of(&sandbox->record);
    counts->by_state[sandbox->state]++;
    counts->running[engine] += sandbox_state_runs(sandbox->state);
    counts->paused[engine] += sandbox->state == SANDBOX_PAUSED;
    return false;
}

void sandboxes_counts(struct sandboxes *sandboxes, struct sandbox_counts *ret_counts)
{
    *ret_counts = (struct sandbox_counts){
        .created_total = sandboxes->created_total,
        .create_failed_total = sandboxes->create_failed_total,
        .destroyed_total = sandboxes->destroyed_total,
        .timeouts_total = sandboxes->timeouts_total,
        .ended_by_itself_total = sandboxes->ended_by_itself_total,
        .host_connected = sandboxes->host_connected,
    };
    for (int engine = 0; engine < SANDBOX_ENGINE_COUNT; engine++) {
        for (int boot = 0; boot < SANDBOX_BOOT_COUNT; boot++) {
            ret_counts->starts_total[engine][boot] = sandboxes->starts_total[engine][boot];
        }
    }
    struct sandbox **none = NULL;
    size_t count = 0;
    registry_select(sandboxes, NULL, count_state, ret_counts, 0, &none, &count);
}
