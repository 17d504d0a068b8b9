/* What a stored or live event is called for its readers: one row can be told under several names. */
#ifndef ATOLL_EVENTS_NAMES_H
#define ATOLL_EVENTS_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVENT_NAMES_MAX = 4 };

/* Names in the order in which they are sent: "state_changed", then "sandbox.running", "sandbox.ready". type and
 * the names are borrowed (data's, type, or static). */
size_t event_names(const char *type, json_t *data, const char *names[EVENT_NAMES_MAX]);

/* Does the comma-separated list, in which an entry may end in '*', name it? NULL or "": everything. */
bool event_type_matches(const char *list, const char *name);

/* A new object: data with sandbox_id and timestamp where it has none. name: of the event that it is for
 * ("error" is told with its message only). */
json_t *event_data(const char *name, const char *sandbox_id, int64_t time_ms, json_t *data);

#endif
