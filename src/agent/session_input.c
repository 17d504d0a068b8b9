#include "agent/session.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { END_OF_TRANSMISSION = 4 }; /* what ^D sends */

/* Writes as much as is taken. How many bytes, or -1 when nobody reads any more. */
static ssize_t write_some(int fd, const unsigned char *data, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t written = write(fd, data + done, length - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno != EAGAIN) {
            return -1;
        }
        if (written <= 0) {
            break;
        }
        done += (size_t)written;
    }
    return (ssize_t)done;
}

int session_feed(struct session *session, const void *bytes, size_t length)
{
    struct backlog *backlog = &session->input_backlog;
    const unsigned char *data = bytes;
    if (session->input.fd < 0 || session->input_ends) {
        return EPIPE;
    }
    if (backlog->length + length > AGENT_INPUT_MAX_BYTES) {
        return EAGAIN;
    }
    ssize_t done = backlog_waits(backlog) ? 0 : write_some(session->input.fd, data, length);
    if (done < 0) {
        session_close(session, &session->input);
        return EPIPE;
    }
    size_t left = length - (size_t)done;
    if (left == 0) {
        return 0;
    }
    if (backlog_append(backlog, data + done, left) < 0) {
        return ENOMEM;
    }
    return loop_watch(&session->agent->loop, &session->input, EPOLLOUT) < 0 ? ENOMEM : 0;
}

void session_end_input(struct session *session)
{
    if (session->kind == AGENT_SESSION_TERMINAL) {
        static const unsigned char end = END_OF_TRANSMISSION;
        session_feed(session, &end, 1);
    } else if (backlog_waits(&session->input_backlog)) {
        session->input_ends = true;
    } else {
        session_close(session, &session->input);
    }
}

void session_on_input(struct watch *watch, uint32_t events)
{
    (void)events;
    struct session *session = watch->owner;
    struct backlog *backlog = &session->input_backlog;
    ssize_t done = write_some(watch->fd, backlog->data + backlog->offset, backlog->length);
    if (done >= 0) {
        backlog->offset += (size_t)done;
        backlog->length -= (size_t)done;
    }
    if (done < 0 || (!backlog_waits(backlog) && session->input_ends)) {
        session_close(session, watch);
        backlog->length = 0;
    }
    if (!backlog_waits(backlog)) {
        backlog_clear(backlog);
        loop_watch(&session->agent->loop, watch, 0);
    }
    readers_continue_input(session);
}
