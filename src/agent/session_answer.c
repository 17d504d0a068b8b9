#include "agent/sessions.h"

#include "agent/launch.h"
#include "agent/session.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    READERS_MAX = 2048, /* connections that read or wait for a stop */
};

/* A reply that the socket did not take at once. */
struct answer {
    struct buried buried; /* first: see agent_bury */
    struct agent *agent;
    struct watch socket;
    struct backlog rest;
};

static void on_answer(struct watch *watch, uint32_t events)
{
    struct answer *answer = watch->owner;
    bool gone = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ||
                backlog_flush(&answer->rest, watch->fd) < 0;
    if (gone || !backlog_waits(&answer->rest)) {
        watch_close(watch);
        backlog_clear(&answer->rest);
        agent_bury(answer->agent, &answer->buried);
    }
}

/* Sends and closes fd, now or when the socket has taken it. */
static void reply_whole(struct agent *agent, int fd, const unsigned char *data, size_t length)
{
    struct backlog rest = {0};
    struct answer *answer = NULL;
    if (backlog_send(&rest, fd, data, length) == 0 && backlog_waits(&rest)) {
        answer = calloc(1, sizeof(*answer));
    }
    if (!answer) {
        backlog_clear(&rest);
        close_fd(fd);
        return;
    }
    *answer = (struct answer){.agent = agent, .rest = rest};
    answer->socket = (struct watch){.fd = fd, .owner = answer, .on_ready = on_answer};
    if (loop_watch(&agent->loop, &answer->socket, EPOLLOUT | EPOLLRDHUP) < 0) {
        on_answer(&answer->socket, EPOLLERR);
    }
}

static void refuse(struct agent *agent, int fd, int errnum, const char *message, const char *stage)
{
    unsigned char frame[ERROR_FRAME_MAX];
    reply_whole(agent, fd, frame, frame_error(frame, errnum, message, stage));
}

static void reply_empty(struct agent *agent, int fd)
{
    unsigned char frame[FRAME_HEADER_BYTES];
    frame_header_encode((struct frame_header){0, AGENT_FRAME_DONE}, frame);
    reply_whole(agent, fd, frame, sizeof(frame));
}

static size_t put_frame(unsigned char *data, const struct session *session, enum agent_frame type)
{
    struct frame_writer writer;
    frame_start(&writer, data, SESSION_FRAME_MAX);
    session_put(&writer.fields, session);
    return frame_finish(&writer, type);
}

static void reply_session(const struct session *session, int fd)
{
    unsigned char *batch = session->agent->batch;
    reply_whole(session->agent, fd, batch, put_frame(batch, session, AGENT_FRAME_DONE));
}

static void list(struct agent *agent, int fd, const struct request *request)
{
    struct backlog all = {0};
    size_t batch_length = 0;
    int result = 0;
    for (struct session *session = agent->sessions.first; session && result == 0;
         session = session->next) {
        if (request->kind != 0 && request->kind != (int64_t)session->kind) {
            continue;
        }
        batch_length += put_frame(agent->batch + batch_length, session, AGENT_FRAME_SESSION);
        if (BATCH_BYTES - batch_length < SESSION_FRAME_MAX) {
            result = backlog_append(&all, agent->batch, batch_length);
            batch_length = 0;
        }
    }
    frame_header_encode((struct frame_header){0, AGENT_FRAME_DONE}, agent->batch + batch_length);
    batch_length += FRAME_HEADER_BYTES;
    if (result < 0 || backlog_append(&all, agent->batch, batch_length) < 0) {
        refuse(agent, fd, ENOMEM, "list the sessions", NULL);
    } else {
        reply_whole(agent, fd, all.data, all.length);
    }
    backlog_clear(&all);
}

/* Why a session may not start: a positive errno, or 0. */
static int check_start(const struct agent *agent, const struct request *request,
                       const char **ret_problem)
{
    int64_t running = 0;
    for (struct session *session = agent->sessions.first; session; session = session->next) {
        if (strcmp(session->id, request->session_id) == 0) {
            *ret_problem = request->session_id;
            return EEXIST;
        }
        if (session->state == AGENT_SESSION_ENDED || (int64_t)session->kind != request->kind) {
            continue;
        }
        running++;
        if (session->name && request->name && strcmp(session->name, request->name) == 0) {
            *ret_problem = request->name;
            return EEXIST;
        }
    }
    *ret_problem = "too many sessions";
    if (running >= request->limit) {
        return EDQUOT;
    }
    return agent->sessions.live_count >= AGENT_SESSIONS_LIVE_MAX ? EUSERS : 0;
}

/* A new one of that name stands for it. */
static void forget_namesakes(struct agent *agent, const struct session *newer)
{
    struct session *next;
    for (struct session *session = agent->sessions.first; session; session = next) {
        next = session->next;
        if (session != newer && session->name && newer->name && !session->stopping &&
            session->state == AGENT_SESSION_ENDED && session->kind == newer->kind &&
            strcmp(session->name, newer->name) == 0) {
            session_forget(session);
        }
    }
}

static void start(struct agent *agent, int fd, struct request *request, unsigned char **head)
{
    const char *problem = NULL;
    int errnum = check_start(agent, request, &problem);
    if (errnum != 0) {
        refuse(agent, fd, errnum, problem, NULL);
        return;
    }
    struct session *session = session_new(agent, request);
    if (!session) {
        refuse(agent, fd, EAGAIN, "no memory or descriptor for a session", NULL);
        return;
    }
    session->started_ms = realtime_ms();
    enum spawn_stage stage = session_run(session, request, &errnum);
    if (stage != SPAWN_NONE) {
        refuse(agent, fd, errnum, launch_failed_step(request, stage), spawn_stage_name(stage));
        session_free(session);
        return;
    }
    session_link(session);
    forget_namesakes(agent, session);
    if (session->detach_ms > 0) {
        session_due(session, &session->detach_at_ms, monotonic_ms() + session->detach_ms);
    }
    if (request->restart && session->kind == AGENT_SESSION_JOB) {
        session->head = take_pointer(head);
        session->request = *request;
        *request = (struct request){0};
    }
    reply_session(session, fd);
}

static void input(struct session *session, int fd, const struct request *request)
{
    int errnum = session->state == AGENT_SESSION_RUNNING && session->input.fd >= 0 ? 0 : EPIPE;
    if (errnum == 0 && request->bytes.length > 0) {
        errnum = session_feed(session, request->bytes.data, request->bytes.length);
    }
    if (errnum != 0) {
        refuse(session->agent, fd, errnum, "the input is not read", NULL);
        return;
    }
    if (request->end_of_input) {
        session_end_input(session);
    }
    reply_empty(session->agent, fd);
}

static void signal_it(struct session *session, int fd, const struct request *request)
{
    if (session->state != AGENT_SESSION_RUNNING) {
        refuse(session->agent, fd, ESRCH, "the session has ended", NULL);
        return;
    }
    session_signal(session, (int)request->signal);
    reply_empty(session->agent, fd);
}

static void stop(struct session *session, int fd, const struct request *request)
{
    session_stop(session, request->grace_ms);
    session->forget_ended |= request->forget;
    if (session->stopping) {
        session_add_stopper(session, fd);
        return;
    }
    reply_session(session, fd);
    if (session->forget_ended) {
        session_forget(session);
    }
}

static void operate_on(struct session *session, int fd, const struct request *request)
{
    switch (request->operation) {
    case AGENT_OP_SESSION_READ:
        reader_start(session, fd, request);
        break;
    case AGENT_OP_SESSION_INPUT:
        input(session, fd, request);
        break;
    case AGENT_OP_SESSION_SIGNAL:
        signal_it(session, fd, request);
        break;
    case AGENT_OP_SESSION_STOP:
        stop(session, fd, request);
        break;
    default:
        assert(request->operation == AGENT_OP_SESSION_GET);
        reply_session(session, fd);
        break;
    }
}

void session_operate(struct agent *agent, int fd, struct request *request, unsigned char **head)
{
    if (request->operation == AGENT_OP_SESSION_START) {
        start(agent, fd, request, head);
        return;
    }
    if (request->operation == AGENT_OP_SESSION_LIST) {
        list(agent, fd, request);
        return;
    }
    struct session *session = session_find(agent, request->session_id);
    if (!session) {
        refuse(agent, fd, ENOENT, request->session_id, NULL);
    } else if (agent->sessions.reader_count >= READERS_MAX) {
        refuse(agent, fd, EAGAIN, "too many operations on sessions at once", NULL);
    } else {
        operate_on(session, fd, request);
    }
}
