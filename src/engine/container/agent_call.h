/* One request to a sandbox's agent from the event loop, of which only the end is of interest: what
 * engine/agent_link.h does for helpers. */
#ifndef ATOLL_ENGINE_CONTAINER_AGENT_CALL_H
#define ATOLL_ENGINE_CONTAINER_AGENT_CALL_H

#include "linux/event_loop.h"

#include <stdbool.h>
#include <stddef.h>

/* Answers are short: what does not fit is not one that was asked for. */
enum { AGENT_CALL_ANSWER_MAX = 512 };

struct agent_call {
    struct event_source socket; /* fd -1: not connected */
    struct event_loop *loop;
    /* error: NULL when the answer was DONE or EXIT. The call is closed by then. */
    void (*on_end)(void *owner, const struct error *error);
    void *owner;
    size_t length;
    unsigned char answer[AGENT_CALL_ANSWER_MAX];
};

/* Connects; the agent need not run yet. on_end is also told when the agent ends the connection before
 * it was asked anything. 0 or -1. */
int agent_call_open(struct agent_call *call, struct event_loop *loop, const char *socket_path,
                    void (*on_end)(void *owner, const struct error *error), void *owner,
                    struct error *err);

/* Sends the request, a whole frame of engine/agent_link.h. 0 or -1. */
int agent_call_send(struct agent_call *call, const void *request, size_t length, struct error *err);

/* Does nothing when it is not open. */
void agent_call_close(struct agent_call *call);

#endif
