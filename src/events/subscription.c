#include "events/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

/* Where reading begins: behind the cursor, at the oldest, or now. What that needs to know of the log is read
 * first, without the mutex. */
static int begin_at(struct subscription *subscription, const struct events_filter *filter,
                    int64_t *ret_newest_seq, bool *ret_now, struct error *err)
{
    struct stored_events log;
    bool has_cursor = filter->cursor && *filter->cursor;
    struct cursor *at = &subscription->at;
    if ((has_cursor && cursor_parse(filter->cursor, at, err) < 0) ||
        store_events_read(subscription->events->store, NULL, NULL, INT64_MAX, 1, &log, err) < 0) {
        return -1;
    }
    *ret_newest_seq = log.newest_seq;
    *ret_now = !has_cursor; /* of live events */
    if (!has_cursor) {
        at->seq = filter->from_start ? 0 : log.newest_seq;
    } else if (at->seq > log.newest_seq || at->seq + 1 < log.oldest_seq) {
        subscription->lost_stored = true; /* of another log, or deleted since */
        at->seq = at->seq > log.newest_seq ? log.newest_seq : log.oldest_seq - 1;
    }
    return 0;
}

/* Mutex held. */
static int join(struct subscription *subscription, int64_t newest_seq, bool is_now,
                struct error *err)
{
    struct events *events = subscription->events;
    channels_sweep(events, false);
    if (!events->channels && events->dispatched_seq < newest_seq) {
        events->dispatched_seq = newest_seq; /* what came before is read from the store */
    }
    struct channel *channel = channel_find(events, subscription->tenant_id);
    channel = channel ? channel : channel_make(events, subscription->tenant_id);
    if (!channel) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "follow events");
    }
    subscription->lost_live = !is_now && subscription->at.n < channel->base_n;
    if (is_now || subscription->lost_live || subscription->at.n > channel->last_n) {
        subscription->at.n = is_now ? channel->last_n : channel->base_n;
    }
    subscription->channel = channel;
    subscription->position = channel->first;
    subscription->is_catching_up = subscription->at.seq < channel->base_seq;
    subscription->next = channel->subscribers;
    channel->subscribers = subscription;
    events->subscriber_count++;
    return 0;
}

struct subscription *events_subscribe(struct events *events, const struct events_filter *filter,
                                      struct error *err)
{
    struct subscription *subscription = calloc(1, sizeof(*subscription));
    if (!subscription) {
        error_set(err, ERR_INTERNAL, ENOMEM, "follow events");
        return NULL;
    }
    subscription->events = events;
    subscription->types = filter->types ? strdup(filter->types) : NULL;
    subscription->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    snprintf(subscription->tenant_id, sizeof(subscription->tenant_id), "%s", filter->tenant_id);
    snprintf(subscription->sandbox_id, sizeof(subscription->sandbox_id), "%s",
             filter->sandbox_id ? filter->sandbox_id : "");
    int64_t newest_seq;
    bool is_now;
    if (subscription->wake_fd < 0 || (filter->types && !subscription->types)) {
        error_set(err, ERR_CAPACITY, errno, "follow events");
        return events_unsubscribe(subscription);
    }
    if (begin_at(subscription, filter, &newest_seq, &is_now, err) < 0) {
        return events_unsubscribe(subscription);
    }
    pthread_mutex_lock(&events->mutex);
    int result = join(subscription, newest_seq, is_now, err);
    pthread_mutex_unlock(&events->mutex);
    return result == 0 ? subscription : events_unsubscribe(subscription);
}

struct subscription *events_unsubscribe(struct subscription *subscription)
{
    if (!subscription) {
        return NULL;
    }
    if (subscription->channel) {
        pthread_mutex_lock(&subscription->events->mutex);
        channel_leave(subscription->channel, subscription);
        subscription->events->subscriber_count--;
        pthread_mutex_unlock(&subscription->events->mutex);
    }
    json_decref(subscription->current.data);
    stored_events_clear(&subscription->page);
    close_fd(subscription->wake_fd);
    free(subscription->types);
    free(subscription);
    return NULL;
}

int events_fd(const struct subscription *subscription)
{
    return subscription->wake_fd;
}

void events_position(const struct subscription *subscription, char text[CURSOR_SIZE])
{
    cursor_print(&subscription->at, text);
}

void events_assume_state(struct subscription *subscription, const char *state)
{
    bool destroyed = strcmp(state, "destroyed") == 0, failed = strcmp(state, "error") == 0;
    subscription->ended = destroyed ? ERR_NOT_FOUND : failed ? ERR_NOT_RUNNING : ERR_NONE;
}

/* Makes it what is told next, under those of its names that were asked for. The row's data is taken. False:
 * under none. */
static bool take_current(struct subscription *subscription, const struct entry *entry)
{
    json_decref(subscription->current.data);
    subscription->current = *entry;
    const char *state = json_string_value(json_object_get(entry->data, "state"));
    if (state && *subscription->sandbox_id && strcmp(entry->type, "state_changed") == 0) {
        events_assume_state(subscription, state);
    }
    const char *names[EVENT_NAMES_MAX];
    size_t count = event_names(subscription->current.type, entry->data, names);
    subscription->name_count = subscription->name_next = 0;
    for (size_t i = 0; i < count; i++) {
        if (event_type_matches(subscription->types, names[i])) {
            subscription->names[subscription->name_count++] = names[i];
        }
    }
    return subscription->name_count > 0;
}

static int tell(struct subscription *subscription, struct event *ret_event, struct error *err)
{
    const struct entry *entry = &subscription->current;
    const char *name = subscription->names[subscription->name_next++];
    bool is_last = subscription->name_next == subscription->name_count;
    *ret_event = (struct event){.is_stored = entry->is_stored, .time_ms = entry->time_ms};
    snprintf(ret_event->type, sizeof(ret_event->type), "%s", name);
    memcpy(ret_event->sandbox_id, entry->sandbox_id, sizeof(ret_event->sandbox_id));
    if (is_last) {
        cursor_print(&subscription->at, ret_event->cursor);
    }
    ret_event->data = event_data(name, entry->sandbox_id, entry->time_ms, entry->data);
    return ret_event->data ? 1 : error_set(err, ERR_INTERNAL, ENOMEM, "tell an event");
}

/* --- from the store --- */

static bool next_in_page(struct subscription *subscription)
{
    while (subscription->page_next < subscription->page.count) {
        struct stored_event *row = &subscription->page.rows[subscription->page_next++];
        struct entry entry = {.is_stored = true, .number = row->seq, .time_ms = row->time_ms};
        memcpy(entry.type, row->type, sizeof(entry.type));
        memcpy(entry.sandbox_id, row->sandbox_id, sizeof(entry.sandbox_id));
        entry.data = take_pointer(&row->data);
        subscription->at.seq = row->seq;
        if (take_current(subscription, &entry)) {
            return true;
        }
    }
    return false;
}

static int read_page(struct subscription *subscription, struct error *err)
{
    struct events *events = subscription->events;
    const char *sandbox_id = subscription->sandbox_id;
    stored_events_clear(&subscription->page);
    subscription->page_next = 0;
    if (store_events_read(events->store, subscription->tenant_id, *sandbox_id ? sandbox_id : NULL,
                          subscription->at.seq, PAGE_EVENTS, &subscription->page, err) < 0) {
        return -1;
    }
    if (subscription->page.count > 0) {
        return 0;
    }
    if (subscription->at.seq < subscription->page.newest_seq) {
        subscription->at.seq = subscription->page.newest_seq;
    }
    pthread_mutex_lock(&events->mutex);
    subscription->is_catching_up = subscription->at.seq < subscription->channel->base_seq;
    subscription->position = subscription->channel->first;
    pthread_mutex_unlock(&events->mutex);
    return 0;
}

/* --- from the ring; mutex held --- */

static void check_overrun(struct subscription *subscription)
{
    const struct channel *channel = subscription->channel;
    if (subscription->at.n < channel->base_n) {
        subscription->lost_live = true;
        subscription->at.n = channel->base_n;
    }
    if (subscription->position < channel->first) {
        subscription->position = channel->first;
    }
    subscription->is_catching_up = subscription->at.seq < channel->base_seq;
}

static bool next_in_ring(struct subscription *subscription)
{
    const struct channel *channel = subscription->channel;
    while (subscription->position < channel->end) {
        const struct entry *entry = channel->ring[subscription->position++ % RING_ENTRIES];
        int64_t *at = entry->is_stored ? &subscription->at.seq : &subscription->at.n;
        if (entry->number <= *at) {
            continue;
        }
        *at = entry->number;
        if (*subscription->sandbox_id && strcmp(subscription->sandbox_id, entry->sandbox_id) != 0) {
            continue;
        }
        json_incref(entry->data);
        if (take_current(subscription, entry)) {
            return true;
        }
    }
    return false;
}

static int take_from_ring(struct subscription *subscription, bool *ret_found, struct error *err)
{
    struct events *events = subscription->events;
    int result = 0;
    pthread_mutex_lock(&events->mutex);
    if (events->is_ending) {
        result = error_set(err, ERR_SHUTTING_DOWN, 0, "the service is stopping");
    } else if (!subscription->is_catching_up) {
        check_overrun(subscription);
        *ret_found =
            !subscription->is_catching_up && !subscription->lost_live && next_in_ring(subscription);
        if (!*ret_found && subscription->is_signalled) {
            eventfd_t count;
            subscription->is_signalled = eventfd_read(subscription->wake_fd, &count) != 0;
        }
    }
    pthread_mutex_unlock(&events->mutex);
    return result;
}

/* --- reading --- */

static int tell_loss(struct subscription *subscription, struct error *err)
{
    bool stored = subscription->lost_stored, live = subscription->lost_live;
    subscription->lost_stored = subscription->lost_live = false;
    if (!stored && !live) {
        return 0;
    }
    return error_set_field(err, ERR_CONFLICT, stored ? "stored" : "live",
                           stored ? "events before this point are no longer kept"
                                  : "output of commands before this point was not kept for this "
                                    "reader");
}

static int wait_for_more(struct subscription *subscription, int cancel_fd, int64_t wait_ms,
                         struct error *err)
{
    struct pollfd polled[] = {{.fd = subscription->wake_fd, .events = POLLIN},
                              {.fd = cancel_fd, .events = POLLRDHUP}};
    int ready = poll(polled, 2, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);
    if (ready < 0 && errno != EINTR) {
        return error_set(err, ERR_INTERNAL, errno, "wait for events");
    }
    if (ready > 0 && polled[1].revents) {
        return error_set(err, ERR_CANCELLED, 0, "the client went away");
    }
    return 0;
}

/* Finds what to tell next, without waiting. */
static int find_next(struct subscription *subscription, bool *ret_found, struct error *err)
{
    if (tell_loss(subscription, err) < 0) {
        return -1;
    }
    *ret_found = next_in_page(subscription);
    while (!*ret_found && subscription->is_catching_up) {
        if (read_page(subscription, err) < 0) {
            return -1;
        }
        *ret_found = next_in_page(subscription);
    }
    return *ret_found ? 0 : take_from_ring(subscription, ret_found, err);
}

int events_next(struct subscription *subscription, int cancel_fd, int64_t wait_ms,
                struct event *ret_event, struct error *err)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    for (;;) {
        bool found = subscription->name_next < subscription->name_count;
        if (!found && find_next(subscription, &found, err) < 0) {
            return -1;
        }
        if (found) {
            return tell(subscription, ret_event, err);
        }
        if (subscription->lost_live || subscription->is_catching_up) {
            continue;
        }
        if (subscription->ended) {
            return error_set(err, subscription->ended, 0, "the sandbox %s",
                             subscription->ended == ERR_NOT_FOUND ? "is destroyed" : "failed");
        }
        int64_t left_ms = until_ms - clock_monotonic_ms();
        if (left_ms <= 0) {
            return 0;
        }
        if (wait_for_more(subscription, cancel_fd, left_ms, err) < 0) {
            return -1;
        }
    }
}
