#include "api/exec_session.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

/* Small enough that a socket that poll(2) calls writable takes it without blocking. */
enum { INPUT_STEP_BYTES = 16 * 1024 };

/* What an agent may take beyond the command's own time. Root inside can spoil its agent, and a request
 * must not hang on it. */
enum { START_MAX_MS = 30 * 1000, END_GRACE_MS = 15 * 1000 };

int exec_session_start(struct exec_session *session, struct exec_request *request,
                       struct error *err)
{
    if (exec_request_resolve(request, session->use, err)) {
        return -1;
    }
    struct agent_exec command = {
        .arguments = request->arguments,
        .environment = (const char *const *)request->environment,
        .cwd = request->cwd,
        .user = request->user,
        .timeout_ms = request->timeout_ms,
        .open_stdin = request->input || request->open_stdin,
    };
    exec_events_begin(&session->told, session->api->events, session->use->tenant_id,
                      session->use->id, request->arguments, request->typed);
    session->timeout_ms = request->timeout_ms;
    session->deadline_ms = clock_monotonic_ms() + START_MAX_MS;
    session->call = agent_exec_start(session->use->agent_socket, &command, err);
    if (!session->call) {
        sandbox_explain(session->api->sandboxes, session->use, err);
        return -1;
    }
    return 0;
}

/* Sends one piece. A command that ended no longer takes any: its exit event says so, not this. */
static void send_input(struct exec_session *session)
{
    char bytes[INPUT_STEP_BYTES];
    size_t length;
    int signal;
    struct error ignored = {0};
    switch (exec_input_take(session->input, bytes, sizeof(bytes), &length, &signal)) {
    case EXEC_INPUT_BYTES:
        if (agent_exec_stdin(session->call, bytes, length, &ignored)) {
            exec_input_close(session->input);
        }
        break;
    case EXEC_INPUT_END:
        agent_exec_stdin(session->call, "", 0, &ignored);
        break;
    case EXEC_INPUT_SIGNAL:
        agent_exec_signal(session->call, signal, &ignored);
        break;
    case EXEC_INPUT_NONE:
        break;
    }
}

/* Waits for the agent, the client or new input. 0, or -1 when the client went. */
static int wait_for_move(struct exec_session *session, int64_t wait_ms, struct error *err)
{
    bool pending = exec_input_pending(session->input);
    struct pollfd polled[] = {
        {.fd = agent_call_fd(session->call), .events = (short)(POLLIN | (pending ? POLLOUT : 0))},
        {.fd = session->client_fd, .events = POLLRDHUP},
        {.fd = pending ? -1 : exec_input_wake_fd(session->input), .events = POLLIN},
    };
    int ready = poll(polled, 3, wait_ms < 0 || wait_ms > 3600000 ? 3600000 : (int)wait_ms);
    if (ready < 0 && errno != EINTR) {
        return error_set(err, ERR_INTERNAL, errno, "wait for a command");
    }
    if (ready > 0 && polled[1].revents) {
        return error_set(err, ERR_CANCELLED, 0, "the client went away");
    }
    if (ready > 0 && (polled[0].revents & POLLOUT)) {
        send_input(session);
    }
    if (ready > 0 && polled[2].revents) {
        exec_input_woken(session->input);
    }
    return 0;
}

/* The service may be about to stop: shortens *left_ms (< 0: for ever). -1 when it is time. */
static int mind_the_end(struct exec_session *session, int64_t *left_ms, struct error *err)
{
    int64_t end_time_ms = exec_input_end_time(session->input);
    if (end_time_ms == 0) {
        return 0;
    }
    int64_t until_end_ms = end_time_ms - clock_monotonic_ms();
    if (until_end_ms <= 0) {
        return error_set(err, ERR_SHUTTING_DOWN, 0, "the service is stopping");
    }
    if (*left_ms < 0 || *left_ms > until_end_ms) {
        *left_ms = until_end_ms;
    }
    return 0;
}

static int next_with_input(struct exec_session *session, int64_t wait_ms,
                           struct agent_event *ret_event, struct error *err)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    for (;;) {
        int got = agent_exec_next(session->call, session->client_fd, 0, ret_event, err);
        if (got != 0) {
            return got;
        }
        int64_t left_ms = wait_ms < 0 ? -1 : until_ms - clock_monotonic_ms();
        if (wait_ms >= 0 && left_ms <= 0) {
            return 0;
        }
        if (mind_the_end(session, &left_ms, err) || wait_for_move(session, left_ms, err)) {
            return -1;
        }
    }
}

static int next_event(struct exec_session *session, int64_t wait_ms, struct agent_event *ret_event,
                      struct error *err)
{
    return session->input
               ? next_with_input(session, wait_ms, ret_event, err)
               : agent_exec_next(session->call, session->client_fd, wait_ms, ret_event, err);
}

int exec_session_next(struct exec_session *session, int64_t wait_ms, struct agent_event *ret_event,
                      struct error *err)
{
    int64_t left_ms = session->deadline_ms - clock_monotonic_ms();
    bool is_last = wait_ms < 0 || wait_ms > left_ms;
    int got = next_event(session, is_last ? (left_ms > 0 ? left_ms : 0) : wait_ms, ret_event, err);
    if (got == 0 && is_last) {
        got = error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the sandbox's agent does not answer");
    }
    if (got == 1) {
        exec_events_take(&session->told, ret_event);
    }
    if (got == 1 && ret_event->type == AGENT_EVENT_STARTED) {
        session->deadline_ms = clock_monotonic_ms() + session->timeout_ms + END_GRACE_MS;
    }
    if (got < 0 && err->code == ERR_AGENT_UNAVAILABLE) {
        sandbox_explain(session->api->sandboxes, session->use, err);
    }
    return got;
}

void exec_session_end(struct exec_session *session)
{
    session->call = agent_call_free(session->call);
    if (session->input) {
        exec_input_close(session->input);
        session->input = exec_input_unref(session->input);
    }
}
