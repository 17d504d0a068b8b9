/* Inside events/: a channel for each tenant that somebody listens to, with a ring of its latest events. */
#ifndef ATOLL_EVENTS_INTERNAL_H
#define ATOLL_EVENTS_INTERNAL_H

#include "events/cursor.h"
#include "events/events.h"
#include "events/names.h"
#include "store/store_events.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    RING_ENTRIES = 2048,          /* of a tenant */
    RING_BYTES = 8 * 1024 * 1024, /* of live output, which stored events are small beside */
    LINGER_MS = 60 * 1000,        /* how long one who left is expected back */
    LINGERERS_MAX = 64,           /* of a tenant; more than that: all of the tenant's are wanted */
    PAGE_EVENTS = 128,            /* read from the store at once */
};

/* One event as it came in, not yet told under its names. */
struct entry {
    char type[EVENT_TYPE_SIZE], sandbox_id[ID_SIZE];
    json_t *data; /* never changed: shared by readers */
    bool is_stored;
    int64_t number; /* seq of a stored one, n of a live one */
    int64_t time_ms;
    size_t bytes;
};

/* One who left a moment ago. sandbox_id "": listened to the tenant. */
struct lingerer {
    char sandbox_id[ID_SIZE];
    int64_t until_ms; /* monotonic */
};

/* Under events->mutex. Positions count entries for ever; entry p lies at p % RING_ENTRIES. */
struct channel {
    struct channel *next;
    char tenant_id[ID_SIZE];
    struct entry *ring[RING_ENTRIES];
    uint64_t first, end;
    size_t bytes;
    int64_t
        base_seq; /* the ring has the tenant's stored events behind this one, as far as dispatched */
    int64_t base_n; /* and the live ones behind this one */
    int64_t last_n;
    struct subscription *subscribers;
    struct lingerer lingerers[LINGERERS_MAX];
    size_t lingerer_count;
};

struct events {
    struct store *store;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* of the dispatcher */
    pthread_t dispatcher;
    bool is_notified, is_ending, dispatcher_started, dispatcher_ends;
    int64_t dispatched_seq;
    struct channel *channels;
    atomic_int channel_count;
    atomic_int listener_fd; /* -1: none */
    atomic_int_fast64_t subscriber_count, live_total, dispatched_total;
};

/* Used by one reader; is_signalled, next and the channel under events->mutex. */
struct subscription {
    struct events *events;
    struct channel *channel;
    struct subscription *next;
    char sandbox_id[ID_SIZE]; /* "": the tenant's */
    char tenant_id[ID_SIZE];
    char *types;
    int wake_fd;
    bool is_signalled;

    struct cursor at;
    uint64_t position;           /* in the ring, when not catching up */
    bool is_catching_up;         /* reads the store */
    bool lost_stored, lost_live; /* to be told */
    enum error_code ended;       /* of one sandbox: its life is over; ERR_NONE: not */
    struct stored_events page;
    size_t page_next;

    /* What is being told: a row and the names that are left of it. */
    struct entry current; /* data NULL: none */
    const char *names[EVENT_NAMES_MAX];
    size_t name_count, name_next;
};

/* --- ring.c; all with the mutex held --- */

struct channel *channel_find(struct events *events, const char *tenant_id);
/* NULL: no memory. */
struct channel *channel_make(struct events *events, const char *tenant_id);
/* Frees the channels that nobody listens to and nobody is expected back at. */
void channels_sweep(struct events *events, bool all);
/* Takes the entry (and its data) and wakes who listens to it. */
void channel_add(struct channel *channel, struct entry *entry);
bool channel_wanted(const struct channel *channel, const char *sandbox_id);
void channel_leave(struct channel *channel, struct subscription *subscription);
struct entry *entry_free(struct entry *entry);
/* data is taken. NULL: no memory (then data is dropped). */
struct entry *entry_new(const char *type, const char *sandbox_id, json_t *data, int64_t time_ms);

#endif
