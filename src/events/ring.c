#include "events/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

struct entry *entry_free(struct entry *entry)
{
    if (entry) {
        json_decref(entry->data);
        free(entry);
    }
    return NULL;
}

static size_t size_of(json_t *data)
{
    size_t bytes = sizeof(struct entry);
    const char *name;
    json_t *value;
    json_object_foreach(data, name, value)
    {
        bytes += 64 + strlen(name) + json_string_length(value);
    }
    return bytes;
}

struct entry *entry_new(const char *type, const char *sandbox_id, json_t *data, int64_t time_ms)
{
    struct entry *entry = data ? calloc(1, sizeof(*entry)) : NULL;
    if (!entry) {
        json_decref(data);
        return NULL;
    }
    snprintf(entry->type, sizeof(entry->type), "%s", type);
    snprintf(entry->sandbox_id, sizeof(entry->sandbox_id), "%s", sandbox_id);
    entry->data = data;
    entry->time_ms = time_ms;
    entry->bytes = size_of(data);
    return entry;
}

struct channel *channel_find(struct events *events, const char *tenant_id)
{
    struct channel *channel = events->channels;
    while (channel && strcmp(channel->tenant_id, tenant_id) != 0) {
        channel = channel->next;
    }
    return channel;
}

struct channel *channel_make(struct events *events, const char *tenant_id)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    if (!channel) {
        return NULL;
    }
    snprintf(channel->tenant_id, sizeof(channel->tenant_id), "%s", tenant_id);
    channel->base_seq = events->dispatched_seq;
    /* Larger than in any channel of this tenant before, this process's or another's. */
    channel->base_n = channel->last_n = clock_realtime_ms() * 1000;
    channel->next = events->channels;
    events->channels = channel;
    events->channel_count++;
    /* What was written since the caller looked has to be dispatched. */
    events->is_notified = true;
    pthread_cond_signal(&events->wake);
    return channel;
}

static void drop_first(struct channel *channel)
{
    struct entry *entry = channel->ring[channel->first % RING_ENTRIES];
    int64_t *base = entry->is_stored ? &channel->base_seq : &channel->base_n;
    *base = entry->number;
    channel->bytes -= entry->bytes;
    channel->ring[channel->first % RING_ENTRIES] = entry_free(entry);
    channel->first++;
}

static void channel_free(struct channel *channel)
{
    while (channel->first < channel->end) {
        drop_first(channel);
    }
    free(channel);
}

static void forget_lingerers(struct channel *channel)
{
    int64_t now_ms = clock_monotonic_ms();
    size_t kept = 0;
    for (size_t i = 0; i < channel->lingerer_count; i++) {
        if (channel->lingerers[i].until_ms > now_ms) {
            channel->lingerers[kept++] = channel->lingerers[i];
        }
    }
    channel->lingerer_count = kept;
}

void channels_sweep(struct events *events, bool all)
{
    for (struct channel **at = &events->channels; *at;) {
        struct channel *channel = *at;
        forget_lingerers(channel);
        if (!all && (channel->subscribers || channel->lingerer_count > 0)) {
            at = &channel->next;
            continue;
        }
        *at = channel->next;
        channel_free(channel);
        events->channel_count--;
    }
}

static bool listens_to(const char *listener, const char *sandbox_id)
{
    return !*listener || strcmp(listener, sandbox_id) == 0;
}

void channel_add(struct channel *channel, struct entry *entry)
{
    while (channel->end - channel->first == RING_ENTRIES ||
           (channel->bytes + entry->bytes > RING_BYTES && channel->first < channel->end)) {
        drop_first(channel);
    }
    channel->ring[channel->end++ % RING_ENTRIES] = entry;
    channel->bytes += entry->bytes;
    for (struct subscription *s = channel->subscribers; s; s = s->next) {
        if (!s->is_signalled && listens_to(s->sandbox_id, entry->sandbox_id)) {
            s->is_signalled = eventfd_write(s->wake_fd, 1) == 0;
        }
    }
}

bool channel_wanted(const struct channel *channel, const char *sandbox_id)
{
    for (const struct subscription *s = channel->subscribers; s; s = s->next) {
        if (listens_to(s->sandbox_id, sandbox_id)) {
            return true;
        }
    }
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < channel->lingerer_count; i++) {
        if (channel->lingerers[i].until_ms > now_ms &&
            listens_to(channel->lingerers[i].sandbox_id, sandbox_id)) {
            return true;
        }
    }
    return false;
}

void channel_leave(struct channel *channel, struct subscription *subscription)
{
    struct subscription **at = &channel->subscribers;
    while (*at != subscription) {
        at = &(*at)->next;
    }
    *at = subscription->next;
    forget_lingerers(channel);
    struct lingerer lingerer = {.until_ms = clock_monotonic_ms() + LINGER_MS};
    snprintf(lingerer.sandbox_id, sizeof(lingerer.sandbox_id), "%s", subscription->sandbox_id);
    if (channel->lingerer_count == LINGERERS_MAX) {
        channel->lingerer_count--;
        lingerer.sandbox_id[0] = '\0'; /* stands for those that have no place */
    }
    channel->lingerers[channel->lingerer_count++] = lingerer;
}
