/* Events in the store: what happened, in order, each written in the transaction of the change it tells. */
#ifndef ATOLL_STORE_STORE_EVENTS_H
#define ATOLL_STORE_STORE_EVENTS_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store_sandboxes.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { EVENT_TYPE_SIZE = 64 };

struct stored_event {
    int64_t seq; /* from 1, without gaps until old ones are deleted */
    char id[ID_SIZE], tenant_id[ID_SIZE], sandbox_id[ID_SIZE]; /* sandbox_id may be "" */
    char type[EVENT_TYPE_SIZE];
    json_t *data;
    int64_t time_ms; /* realtime */
};

/* Rows in order, and what the log holds altogether. */
struct stored_events {
    struct stored_event *rows;
    size_t count;
    int64_t oldest_seq, newest_seq; /* 0: the log is empty */
};

void stored_events_clear(struct stored_events *events);

/* Adds one event in a transaction of its own; event.data is borrowed. */
int store_event_append(struct store *store, const char *tenant_id, const char *sandbox_id,
                       struct store_event event, struct error *err);

/* The events behind after_seq, at most limit. tenant_id NULL: everybody's; sandbox_id NULL: all of the
 * tenant's. The range is read in the same moment. Clear *ret_events. */
int store_events_read(struct store *store, const char *tenant_id, const char *sandbox_id,
                      int64_t after_seq, size_t limit, struct stored_events *ret_events,
                      struct error *err);

/* The newest limit events of a sandbox, oldest first. */
int store_events_latest(struct store *store, const char *tenant_id, const char *sandbox_id,
                        size_t limit, struct stored_events *ret_events, struct error *err);

#endif
