/* One running command: the connection to its agent, the client that waits for it, and its input. Used by
 * the request's thread. */
#ifndef ATOLL_API_EXEC_SESSION_H
#define ATOLL_API_EXEC_SESSION_H

#include "agentclient/agentclient.h"
#include "api/api.h"
#include "api/exec_events.h"
#include "api/exec_input.h"
#include "api/exec_request.h"

struct exec_session {
    struct api *api;               /* borrowed */
    const struct sandbox_use *use; /* borrowed */
    struct agent_call *call;
    struct exec_input *input; /* a reference, or NULL: nothing can be sent */
    struct exec_events told;
    int client_fd;
    int64_t timeout_ms;  /* of the command */
    int64_t deadline_ms; /* monotonic: an agent that says nothing until then does not work */
};

/* Resolves the request against the sandbox and starts the command. The session owns a reference to its
 * input. exec_session_end is due in both cases. */
int exec_session_start(struct exec_session *session, struct exec_request *request,
                       struct error *err);

/* The next event, meanwhile sending what input holds. wait_ms < 0: as long as it takes. 1, 0 when the
 * time passed, -1: ERR_CANCELLED when the client went, or why the agent or sandbox went. */
int exec_session_next(struct exec_session *session, int64_t wait_ms, struct agent_event *ret_event,
                      struct error *err);

/* Ends the command if it still runs. */
void exec_session_end(struct exec_session *session);

#define auto_exec_session __attribute__((cleanup(exec_session_end)))

#endif
