#include "events/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* Mutex held. Gives rows to those who listen. */
static void route(struct events *events, struct stored_events *page)
{
    for (size_t i = 0; i < page->count; i++) {
        struct stored_event *row = &page->rows[i];
        if (row->seq <= events->dispatched_seq) {
            continue; /* a first listener came meanwhile and knows it already */
        }
        events->dispatched_seq = row->seq;
        events->dispatched_total++;
        struct channel *channel = channel_find(events, row->tenant_id);
        struct entry *entry =
            channel ? entry_new(row->type, row->sandbox_id, json_incref(row->data), row->time_ms)
                    : NULL;
        if (entry) {
            entry->is_stored = true;
            entry->number = row->seq;
            channel_add(channel, entry);
        } else if (channel) {
            channel->base_seq = row->seq; /* no memory: readers find it in the store */
        }
    }
}

/* Waits until there may be something to dispatch. False at the end. */
static bool wait_for_work(struct events *events, int64_t *ret_after_seq)
{
    pthread_mutex_lock(&events->mutex);
    while (!events->dispatcher_ends && !(events->is_notified && events->channels)) {
        pthread_cond_wait(&events->wake, &events->mutex);
    }
    events->is_notified = false;
    *ret_after_seq = events->dispatched_seq;
    bool goes_on = !events->dispatcher_ends;
    pthread_mutex_unlock(&events->mutex);
    return goes_on;
}

/* Thread: reads new stored events once, for all who listen. */
static void *dispatch(void *argument)
{
    struct events *events = argument;
    int64_t after_seq;
    while (wait_for_work(events, &after_seq)) {
        struct stored_events page;
        struct error err = {0};
        if (store_events_read(events->store, NULL, NULL, after_seq, PAGE_EVENTS, &page, &err) < 0) {
            log_error("events.read", "error=%s", err.message);
            continue;
        }
        pthread_mutex_lock(&events->mutex);
        route(events, &page);
        events->is_notified |= page.count == PAGE_EVENTS;
        pthread_mutex_unlock(&events->mutex);
        stored_events_clear(&page);
    }
    return NULL;
}

struct events *events_open(struct store *store, struct error *err)
{
    struct events *events = calloc(1, sizeof(*events));
    if (!events) {
        error_set(err, ERR_INTERNAL, ENOMEM, "open the event log");
        return NULL;
    }
    events->store = store;
    events->listener_fd = -1;
    pthread_mutex_init(&events->mutex, NULL);
    pthread_cond_init(&events->wake, NULL);
    int failed = pthread_create(&events->dispatcher, NULL, dispatch, events);
    if (failed) {
        error_set(err, ERR_INTERNAL, failed, "start the dispatcher of events");
        return events_close(events);
    }
    events->dispatcher_started = true;
    return events;
}

void events_end_all(struct events *events)
{
    pthread_mutex_lock(&events->mutex);
    events->is_ending = true;
    for (struct channel *channel = events->channels; channel; channel = channel->next) {
        for (struct subscription *s = channel->subscribers; s; s = s->next) {
            s->is_signalled = eventfd_write(s->wake_fd, 1) == 0;
        }
    }
    pthread_mutex_unlock(&events->mutex);
}

struct events *events_close(struct events *events)
{
    if (!events) {
        return NULL;
    }
    assert(events->subscriber_count == 0);
    if (events->dispatcher_started) {
        pthread_mutex_lock(&events->mutex);
        events->dispatcher_ends = true;
        pthread_cond_signal(&events->wake);
        pthread_mutex_unlock(&events->mutex);
        pthread_join(events->dispatcher, NULL);
    }
    channels_sweep(events, true);
    pthread_cond_destroy(&events->wake);
    pthread_mutex_destroy(&events->mutex);
    free(events);
    return NULL;
}

void events_listen(struct events *events, int event_fd)
{
    atomic_store(&events->listener_fd, event_fd);
}

void events_notify(struct events *events)
{
    if (!events) {
        return;
    }
    int listener_fd = atomic_load(&events->listener_fd);
    if (listener_fd >= 0 && eventfd_write(listener_fd, 1) < 0) {
        log_debug("events.listener", "errno=%d", errno);
    }
    if (events->channel_count == 0) {
        return; /* whoever comes next looks itself */
    }
    pthread_mutex_lock(&events->mutex);
    events->is_notified = true;
    pthread_cond_signal(&events->wake);
    pthread_mutex_unlock(&events->mutex);
}

bool events_wanted(struct events *events, const char *tenant_id, const char *sandbox_id)
{
    if (!events || events->channel_count == 0) {
        return false;
    }
    pthread_mutex_lock(&events->mutex);
    struct channel *channel = channel_find(events, tenant_id);
    bool wanted = channel && channel_wanted(channel, sandbox_id);
    pthread_mutex_unlock(&events->mutex);
    return wanted;
}

void events_publish_live(struct events *events, const char *tenant_id, const char *sandbox_id,
                         const char *type, json_t *data)
{
    struct entry *entry = entry_new(type, sandbox_id, data, clock_realtime_ms());
    if (!entry || !events) {
        entry_free(entry);
        return;
    }
    pthread_mutex_lock(&events->mutex);
    struct channel *channel = channel_find(events, tenant_id);
    if (channel) {
        entry->number = ++channel->last_n;
        events->live_total++;
        channel_add(channel, entry);
        entry = NULL;
    }
    pthread_mutex_unlock(&events->mutex);
    entry_free(entry);
}

int events_append(struct events *events, const char *tenant_id, const char *sandbox_id,
                  const char *type, json_t *data, struct error *err)
{
    int result = data ? store_event_append(events->store, tenant_id, sandbox_id,
                                           (struct store_event){type, data}, err)
                      : error_set(err, ERR_INTERNAL, ENOMEM, "record an event");
    json_decref(data);
    if (result == 0) {
        events_notify(events);
    }
    return result;
}

void events_count(struct events *events, struct events_counts *ret_counts)
{
    *ret_counts = (struct events_counts){.subscribers = events->subscriber_count,
                                         .live_total = events->live_total,
                                         .stored_total = events->dispatched_total};
}
