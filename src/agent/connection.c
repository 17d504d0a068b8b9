#include "agent/connection.h"

#include "agent/command.h"
#include "agent/file.h"
#include "agent/file_watch.h"
#include "agent/hello.h"
#include "agent/identity_answer.h"
#include "agent/reply.h"
#include "agent/sessions.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_MAX = 16 };

struct connection {
    struct buried buried; /* first: see agent_bury */
    struct agent *agent;
    struct watch socket;
    unsigned char header[FRAME_HEADER_BYTES];
    size_t header_length;
    unsigned char *head;
    size_t head_length;
    size_t head_size;
};

/* Takes the descriptor out; the connection is freed when the turn is over. */
static int connection_end(struct connection *connection)
{
    struct agent *agent = connection->agent;
    int fd = connection->socket.fd;
    loop_watch(&agent->loop, &connection->socket, 0);
    connection->socket.fd = -1;
    agent->connection_count--;
    agent_bury(agent, &connection->buried);
    return fd;
}

static void connection_drop(struct connection *connection)
{
    free(connection->head);
    close(connection_end(connection));
}

static void refuse(int fd, int errnum, const char *message)
{
    unsigned char frame[ERROR_FRAME_MAX];
    size_t length = frame_error(frame, errnum, message, NULL);
    send(fd, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

static void submit_file_operation(struct agent *agent, int fd, unsigned char *head,
                                  struct request *request)
{
    struct job *job = malloc(sizeof(*job));
    if (!job) {
        refuse(fd, ENOMEM, "start the operation");
        request_free(request);
        free(head);
        return;
    }
    *job = (struct job){.fd = fd, .head = head, .request = *request};
    int errnum = request->operation == AGENT_OP_FILE_WATCH ? file_watch_submit(job)
                                                           : workers_submit(&agent->workers, job);
    if (errnum != 0) {
        job->fd = -1;
        job_free(job);
        refuse(fd, errnum, "too many file operations at once");
    }
}

static void dispatch(struct connection *connection)
{
    struct agent *agent = connection->agent;
    unsigned char *head = connection->head;
    size_t length = connection->head_length;
    int fd = connection_end(connection);
    struct request request;
    const char *problem;
    int errnum = request_parse(head, length, &request, &problem);
    if (errnum != 0) {
        refuse(fd, errnum, problem);
        free(head);
        return;
    }
    switch (request.operation) {
    case AGENT_OP_EXEC:
        command_start(agent, fd, &request);
        break;
    case AGENT_OP_HELLO:
        hello_answer(fd);
        break;
    case AGENT_OP_IDENTITY:
        identity_answer(agent, fd, &request);
        break;
    case AGENT_OP_SESSION_START:
    case AGENT_OP_SESSION_LIST:
    case AGENT_OP_SESSION_GET:
    case AGENT_OP_SESSION_READ:
    case AGENT_OP_SESSION_INPUT:
    case AGENT_OP_SESSION_SIGNAL:
    case AGENT_OP_SESSION_STOP:
        session_operate(agent, fd, &request, &head);
        break;
    default:
        submit_file_operation(agent, fd, head, &request);
        return;
    }
    request_free(&request);
    free(head);
}

/* Receives up to wanted bytes into *length. 1 when all are there, 0 to wait, -1 when it is over. */
static int receive_part(int fd, unsigned char *data, size_t wanted, size_t *length)
{
    while (*length < wanted) {
        ssize_t got = recv(fd, data + *length, wanted - *length, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return 0;
        }
        if (got <= 0) {
            return -1;
        }
        *length += (size_t)got;
    }
    return 1;
}

/* 1 when the head is complete, 0 to wait, -1 to give up. */
static int receive_head(struct connection *connection)
{
    int fd = connection->socket.fd;
    int result =
        receive_part(fd, connection->header, FRAME_HEADER_BYTES, &connection->header_length);
    if (result <= 0) {
        return result;
    }
    if (!connection->head) {
        struct frame_header header;
        if (frame_header_decode(connection->header, &header) < 0 ||
            header.type != AGENT_FRAME_HEAD) {
            return -1;
        }
        connection->head_size = header.length;
        connection->head = malloc(header.length + 1);
        if (!connection->head) {
            return -1;
        }
    }
    return receive_part(fd, connection->head, connection->head_size, &connection->head_length);
}

static void on_socket(struct watch *watch, uint32_t events)
{
    (void)events; /* a hang-up shows as end of file */
    struct connection *connection = watch->owner;
    int result = receive_head(connection);
    if (result > 0) {
        dispatch(connection);
    } else if (result < 0 || loop_watch(&connection->agent->loop, &connection->socket,
                                        EPOLLIN | EPOLLRDHUP) < 0) {
        connection_drop(connection);
    }
}

static void connection_start(struct agent *agent, int fd)
{
    if (agent->connection_count >= CONNECTIONS_MAX) {
        refuse(fd, EAGAIN, "too many operations at once");
        return;
    }
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        refuse(fd, ENOMEM, "start the operation");
        return;
    }
    connection->agent = agent;
    connection->socket = (struct watch){.fd = fd, .owner = connection, .on_ready = on_socket};
    agent->connection_count++;
    on_socket(&connection->socket, EPOLLIN); /* most heads are there by now */
}

/* Out of descriptors: takes one connection off the queue and closes it, so as not to spin on it. Without
 * even the reserve (root inside may lower any limit) the listener rests for a while. */
static void refuse_one(struct agent *agent)
{
    agent->reserve_fd = close_fd(agent->reserve_fd);
    int fd = accept4(agent->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        refuse(fd, EAGAIN, "out of descriptors");
    }
    agent->reserve_fd = fcntl(agent->null_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || agent->reserve_fd < 0) {
        loop_watch(&agent->loop, &agent->listener, 0);
        agent->accept_paused = true;
    }
}

void connections_accept(struct watch *listener, uint32_t events)
{
    (void)events;
    struct agent *agent = listener->owner;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                refuse_one(agent);
            }
            return;
        }
        agent->highest_connection = fd > agent->highest_connection ? fd : agent->highest_connection;
        connection_start(agent, fd);
    }
}
