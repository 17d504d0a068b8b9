/* Changes of files as the API tells them. */
#ifndef ATOLL_API_WATCH_EVENT_H
#define ATOLL_API_WATCH_EVENT_H

#include "agentclient/watch.h"
#include "http/http.h"

/* Fills name and data: type "create", "modify", "delete", "rename" or "overflow"; NULL data: no memory. */
void watch_event_make(const struct watch_change *change, struct sse_event *ret_event);

#endif
