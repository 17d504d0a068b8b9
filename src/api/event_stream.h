/* Streams of events as SSE, and what their requests may ask for. */
#ifndef ATOLL_API_EVENT_STREAM_H
#define ATOLL_API_EVENT_STREAM_H

#include "events/events.h"
#include "http/http.h"

/* Reads types, replay and last_event_id (or Last-Event-ID) into *ret_filter, which borrows from the request. */
int event_stream_filter(const struct request *request, struct events_filter *ret_filter,
                        struct error *err);

/* Subscribes to the request's sandbox, the tenant's own; *ret_is_over: its life is over, so that nothing new will
 * come, and the subscription begins at the oldest event when the filter has no cursor. NULL with err. */
struct subscription *event_stream_of_sandbox(struct request *request, struct events_filter *filter,
                                             bool *ret_is_over, struct error *err);

/* Answers with the stream; takes the subscription. A subscription that is over and has nothing to tell is answered
 * with 204, which ends an EventSource's reconnecting. */
void event_stream_respond(struct request *request, struct subscription *subscription, bool is_over);

/* What events_next said when it returned -1, as a final event "end" or as "lost". */
void event_stream_tell_end(const struct error *err, struct sse_event *ret_sse);
void event_stream_tell_loss(const struct error *err, struct sse_event *ret_sse);

#endif
