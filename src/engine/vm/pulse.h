/* Whether a machine still lives: its agent is asked again and again to say hello. For the supervisor: does not block; what the
 * agent answers is not trusted. */
#ifndef ATOLL_ENGINE_VM_PULSE_H
#define ATOLL_ENGINE_VM_PULSE_H

#include "engine/agent_link.h"

#include <poll.h>

struct pulse {
    int64_t limit_ms; /* a silence that long is taken for a hang; 0: none is */
    int64_t heard_ms; /* when the agent last answered */
    int64_t asked_ms; /* when it was last asked */
    int fd;           /* the question that waits for its answer, or -1 */
    bool sent;
    size_t length;
    unsigned char answer[AGENT_ANSWER_MAX];
};

/* It is taken to have answered just now. */
void pulse_start(struct pulse *pulse, int64_t limit_ms);

/* What to poll for; its milliseconds until there is something to do anyway, -1: never. */
struct pollfd pulse_poll(const struct pulse *pulse);
int pulse_timeout_ms(const struct pulse *pulse);

/* Asks, listens. revents: what poll told of pulse_poll. False: it hangs. */
bool pulse_turn(struct pulse *pulse, short revents);

#endif
