#include "engine/container/agent_call.h"

#include "base/cleanup.h"
#include "engine/agent_link.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void end(struct agent_call *call, const struct error *error)
{
    agent_call_close(call);
    call->on_end(call->owner, error);
}

/* False: it is over. */
static bool read_answer(struct agent_call *call)
{
    struct error error = {0};
    int result = agent_answer_parse(call->answer, &call->length, &error);
    if (result != 0) {
        end(call, result < 0 ? &error : NULL);
    }
    return result == 0;
}

static void on_socket(void *owner, uint32_t events)
{
    struct agent_call *call = owner;
    struct error error;
    (void)events;
    do {
        ssize_t got = recv(call->socket.fd, call->answer + call->length,
                           sizeof(call->answer) - call->length, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) { /* closed, broken, or an answer that is too long */
            error_set(&error, ERR_ENGINE, 0, "the sandbox's agent does not answer");
            end(call, &error);
            return;
        }
        call->length += (size_t)got;
    } while (read_answer(call));
}

int agent_call_open(struct agent_call *call, struct event_loop *loop, const char *socket_path,
                    void (*on_end)(void *owner, const struct error *error), void *owner,
                    struct error *err)
{
    assert(call->socket.fd < 0);
    call->loop = loop;
    call->on_end = on_end;
    call->owner = owner;
    call->length = 0;
    auto_close int fd = agent_link_open(socket_path, err);
    if (fd < 0) {
        return -1;
    }
    if (event_source_add(loop, &call->socket, fd, EPOLLIN, on_socket, call) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "watch a connection to an agent");
    }
    take_fd(&fd);
    return 0;
}

int agent_call_send(struct agent_call *call, const void *request, size_t length, struct error *err)
{
    if (send(call->socket.fd, request, length, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)length) {
        return error_set(err, ERR_ENGINE, errno, "ask the sandbox's agent");
    }
    return 0;
}

void agent_call_close(struct agent_call *call)
{
    if (call->socket.fd >= 0) {
        event_source_close(call->loop, &call->socket);
    }
}
