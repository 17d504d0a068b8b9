/* Tells those who follow a sandbox's events of its commands: sandbox.exec.started, .stdout, .stderr, .completed. */
#ifndef ATOLL_API_EXEC_EVENTS_H
#define ATOLL_API_EXEC_EVENTS_H

#include "agentclient/agentclient.h"
#include "base/ids.h"
#include "events/events.h"

/* One command. Zero-initialise; used by the thread that runs it. */
struct exec_events {
    struct events *events;              /* borrowed */
    const char *tenant_id, *sandbox_id; /* borrowed */
    char exec_id[ID_SIZE];
    char command[256]; /* as much of it as is told */
    struct {
        char bytes[4]; /* a begun character */
        size_t length;
    } tails[2];
};

void exec_events_begin(struct exec_events *told, struct events *events, const char *tenant_id,
                       const char *sandbox_id, const char *const *arguments, const char *typed);

/* Costs next to nothing while nobody listens. */
void exec_events_take(struct exec_events *told, const struct agent_event *event);

#endif
