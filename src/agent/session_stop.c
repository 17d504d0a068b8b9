#include "agent/session.h"

#include "agent/sessions.h"
#include "base/cleanup.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    LOOK_MS = 5000,          /* while there is a deadline */
    LOOK_AGAIN_MS = 100,     /* after SIGKILL: until nothing is left */
    HANG_UP_GRACE_MS = 1000, /* of a terminal that nobody came back to */
};

void session_signal(struct session *session, int number)
{
    if (session->tree || !session->reaped) {
        tree_signal(session->tree, session->reaped ? 0 : session->pid, number);
    }
}

/* What runs in the session's name that was not reaped yet, or was left behind by what was. */
static void kill_all(struct session *session)
{
    if (session->tree) {
        tree_kill(session->tree, session->reaped ? 0 : session->pid);
    } else {
        tree_signal(NULL, session->pid, SIGKILL);
    }
}

void session_stop(struct session *session, int64_t grace_ms)
{
    session->stopped |= session->state != AGENT_SESSION_ENDED;
    if (session->state == AGENT_SESSION_WAITING) {
        session_end(session);
    }
    if (!session->stopping && session->state == AGENT_SESSION_ENDED) {
        return;
    }
    if (!session->stopping) {
        session->stopping = true;
        session_signal(session, SIGTERM);
        if (session->kind == AGENT_SESSION_TERMINAL) {
            session_signal(session, SIGHUP); /* interactive shells ignore SIGTERM */
        }
        session_signal(session, SIGCONT);
    }
    int64_t kill_at_ms = monotonic_ms() + grace_ms;
    if (grace_ms == 0) {
        kill_all(session);
    }
    if (kill_at_ms < session->kill_at_ms) {
        session_due(session, &session->kill_at_ms, kill_at_ms);
    }
}

static void stopper_end(struct session *session, struct stopper *stopper)
{
    watch_close(&stopper->socket);
    *stopper->slot = stopper->next;
    if (stopper->next) {
        stopper->next->slot = stopper->slot;
    }
    session->agent->sessions.reader_count--;
    agent_bury(session->agent, &stopper->buried);
}

/* The daemon left; the stop goes on. */
static void on_stopper(struct watch *watch, uint32_t events)
{
    struct session *session = watch->owner;
    struct stopper *stopper = session->stoppers;
    while (stopper && &stopper->socket != watch) {
        stopper = stopper->next;
    }
    if (stopper && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
        stopper_end(session, stopper);
    }
}

void session_add_stopper(struct session *session, int fd)
{
    struct agent *agent = session->agent;
    struct stopper *stopper = calloc(1, sizeof(*stopper));
    if (!stopper) {
        reply_error(fd, ENOMEM, "wait for the end");
        close_fd(fd);
        return;
    }
    stopper->socket = (struct watch){.fd = fd, .owner = session, .on_ready = on_stopper};
    stopper->slot = &session->stoppers;
    stopper->next = session->stoppers;
    if (stopper->next) {
        stopper->next->slot = &stopper->next;
    }
    session->stoppers = stopper;
    agent->sessions.reader_count++;
    loop_watch(&agent->loop, &stopper->socket, EPOLLRDHUP);
    session_settle(session);
}

void session_settle(struct session *session)
{
    struct agent *agent = session->agent;
    if (!session->stopping || !session->reaped || !tree_is_empty(session->tree, session->pid)) {
        return;
    }
    session->stopping = false;
    session->kill_at_ms = INT64_MAX;
    trees_release(&agent->trees, take_pointer(&session->tree));
    struct frame_writer writer;
    frame_start(&writer, agent->batch, BATCH_BYTES);
    session_put(&writer.fields, session);
    size_t length = frame_finish(&writer, AGENT_FRAME_DONE);
    while (session->stoppers) {
        send(session->stoppers->socket.fd, agent->batch, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        stopper_end(session, session->stoppers);
    }
    if (session->forget_ended) {
        session_forget(session);
    }
}

void sessions_settle(struct agent *agent)
{
    struct session *next;
    for (struct session *session = agent->sessions.first; session; session = next) {
        next = session->next;
        session_settle(session);
    }
}

/* Nobody came back to the terminal. */
static void detach(struct session *session)
{
    session->detach_at_ms = INT64_MAX;
    if (session->viewer_count > 0) {
        return;
    }
    session->forget_ended = true;
    if (session->state != AGENT_SESSION_ENDED) {
        session_stop(session, HANG_UP_GRACE_MS);
    } else if (!session->stopping) {
        session_forget(session);
    }
}

static void expire(struct session *session, int64_t now_ms)
{
    if (now_ms >= session->timeout_at_ms) {
        session->timeout_at_ms = INT64_MAX;
        session->timed_out = true;
        tree_kill(session->tree, session->pid);
    }
    if (now_ms >= session->restart_at_ms) {
        session_restart(session);
    }
    if (now_ms >= session->kill_at_ms) {
        session->kill_at_ms = now_ms + LOOK_AGAIN_MS;
        kill_all(session);
        session_settle(session);
    }
    if (session->slot && now_ms >= session->detach_at_ms) {
        detach(session);
    }
}

static int64_t first_deadline(const struct session *session)
{
    const int64_t deadlines[] = {session->timeout_at_ms, session->kill_at_ms,
                                 session->restart_at_ms, session->detach_at_ms};
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        first = deadlines[i] < first ? deadlines[i] : first;
    }
    return first;
}

static void postpone(int64_t *deadline_ms, int64_t stood_ms)
{
    if (*deadline_ms != INT64_MAX) {
        *deadline_ms += stood_ms;
    }
}

void sessions_postpone(struct agent *agent, int64_t stood_ms)
{
    for (struct session *session = agent->sessions.first; session; session = session->next) {
        postpone(&session->timeout_at_ms, stood_ms);
        postpone(&session->detach_at_ms, stood_ms);
    }
}

int sessions_expire(struct agent *agent)
{
    struct session_table *table = &agent->sessions;
    int64_t now_ms = table->next_deadline_ms == INT64_MAX ? 0 : monotonic_ms();
    if (now_ms >= table->next_deadline_ms) {
        struct session *next;
        for (struct session *session = table->first; session; session = next) {
            next = session->next;
            expire(session, now_ms);
        }
        table->next_deadline_ms = INT64_MAX;
        for (struct session *session = table->first; session; session = session->next) {
            int64_t first_ms = first_deadline(session);
            if (first_ms < table->next_deadline_ms) {
                table->next_deadline_ms = first_ms;
            }
        }
    }
    if (table->next_deadline_ms == INT64_MAX) {
        return -1;
    }
    /* Looking often shows how long the sandbox was paused. */
    int64_t left_ms = table->next_deadline_ms - now_ms;
    return left_ms < LOOK_MS ? (int)left_ms : LOOK_MS;
}
