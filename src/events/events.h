/*
 * The event log: what happens to sandboxes, deployments and previews, for streams and webhooks.
 *
 * Two kinds. Stored events are rows that were written in the transaction of the change they tell
 * (store/store_events.h) and survive restarts. One row can be told under several names (events/names.h). Live events (output of commands) exist only in a bounded ring
 * in memory, and only while somebody listens. A cursor "<seq>-<n>" names a place in both: seq the last stored
 * event before it, n the last live one. Any thread.
 */
#ifndef ATOLL_EVENTS_EVENTS_H
#define ATOLL_EVENTS_EVENTS_H

#include "base/error.h"
#include "base/ids.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct events;

struct events *events_open(struct store *store, struct error *err);
/* Ends every subscription first (events_next returns -1, ERR_SHUTTING_DOWN). Accepts NULL; returns NULL. */
struct events *events_close(struct events *events);
void events_end_all(struct events *events);

/* A stored event was committed: wakes readers. Cheap. Accepts NULL. */
void events_notify(struct events *events);

/* Is anybody listening to the sandbox (now, or until a moment ago, so that reconnecting loses nothing)?
 * Ask before making live events. */
bool events_wanted(struct events *events, const char *tenant_id, const char *sandbox_id);

/* Adds a live event; data is taken. Types: "sandbox.exec.started", "sandbox.exec.stdout", … */
void events_publish_live(struct events *events, const char *tenant_id, const char *sandbox_id,
                         const char *type, json_t *data);

/* Writes one stored event outside of another transaction and wakes readers: "sandbox.preview.ready",
 * "deployment.created", … sandbox_id may be "". data is taken. */
int events_append(struct events *events, const char *tenant_id, const char *sandbox_id,
                  const char *type, json_t *data, struct error *err);

/* Also tells this eventfd of every stored event; -1: no more. One listener. */
void events_listen(struct events *events, int event_fd);

struct events_counts {
    int64_t subscribers, stored_total, live_total; /* totals: given to readers since the start */
};
void events_count(struct events *events, struct events_counts *ret_counts);

/* --- reading --- */

struct events_filter {
    const char *tenant_id;
    const char *sandbox_id; /* NULL: all of the tenant's */
    const char *types;      /* comma-separated, with * at the end as wildcard; NULL: all */
    const char *cursor;     /* behind it (Last-Event-ID); NULL or "": from now on */
    bool from_start;        /* without a cursor: from the oldest that is kept */
};

struct event {
    char type[64];
    char cursor[48]; /* "" when the same row is told again under the next name */
    char sandbox_id[ID_SIZE];
    json_t *data;    /* the caller's reference */
    int64_t time_ms; /* realtime */
    bool is_stored;
};

struct subscription;

/* ERR_VALIDATION: the cursor is none of ours. */
struct subscription *events_subscribe(struct events *events, const struct events_filter *filter,
                                      struct error *err);
struct subscription *events_unsubscribe(struct subscription *subscription);

/* The sandbox that it follows is known to be in that state, whether or not an event says so. */
void events_assume_state(struct subscription *subscription, const char *state);

/* Readable when events_next may have something, for those who wait for other things, too: then call it with wait_ms 0
 * until it returns 0. Never read from it. */
int events_fd(const struct subscription *subscription);

/* The cursor behind all that was read or passed over so far, also when nothing was told. */
void events_position(const struct subscription *subscription, char text[48]);

/* The next event, waiting until wait_ms passed or the peer of cancel_fd hung up. 1, 0 time passed, -1:
 * ERR_CANCELLED, ERR_SHUTTING_DOWN, or ERR_CONFLICT: events were lost (live ones, because the reader fell behind
 * the ring or was away too long; or stored ones older than what is kept; field says
 * "live" or "stored"). Told once; go on reading.
 * A subscription to one sandbox ends when all is told of one that is destroyed (ERR_NOT_FOUND) or failed
 * (ERR_NOT_RUNNING), whatever types were asked for. */
int events_next(struct subscription *subscription, int cancel_fd, int64_t wait_ms,
                struct event *ret_event, struct error *err);

#endif
