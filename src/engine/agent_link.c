#include "engine/agent_link.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/io.h"
#include "wire/agent_protocol.h"
#include "wire/fields.h"
#include "wire/guest_network.h"
#include "wire/sandbox_environment.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { RETRY_MS = 20, ATTEMPT_MAX_MS = 2000, CLOCK_SLOW_MS = 20, CLOCK_ATTEMPTS_MAX = 4 };

/* A HEAD frame; its fields are put between these two. */
static struct fields_writer start_head(unsigned char bytes[AGENT_MESSAGE_MAX],
                                       enum agent_operation operation)
{
    struct fields_writer writer;
    fields_start(&writer, bytes + FRAME_HEADER_BYTES, AGENT_MESSAGE_MAX - FRAME_HEADER_BYTES);
    fields_put_int(&writer, AGENT_OPERATION, operation);
    return writer;
}

static size_t finish_head(unsigned char bytes[AGENT_MESSAGE_MAX],
                          const struct fields_writer *writer)
{
    struct frame_header header = {.length = (uint32_t)writer->length, .type = AGENT_FRAME_HEAD};
    frame_header_encode(header, bytes);
    return FRAME_HEADER_BYTES + writer->length;
}

static void put_text(struct fields_writer *writer, uint16_t tag, const char *text)
{
    if (text[0]) {
        fields_put_string(writer, tag, text);
    }
}

static void put_machine(struct fields_writer *writer)
{
    unsigned char entropy[AGENT_ENTROPY_BYTES];
    struct timespec now;
    random_bytes(entropy, sizeof(entropy));
    fields_put_bytes(writer, AGENT_ENTROPY, entropy, sizeof(entropy));
    explicit_bzero(entropy, sizeof(entropy));
    clock_gettime(CLOCK_REALTIME, &now);
    fields_put_int(writer, AGENT_TIME_US, now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

size_t agent_identity_encode(const struct agent_identity *identity,
                             unsigned char bytes[AGENT_MESSAGE_MAX])
{
    struct fields_writer writer = start_head(bytes, AGENT_OP_IDENTITY);
    put_text(&writer, AGENT_HOSTNAME, identity->hostname);
    put_text(&writer, AGENT_ADDRESS, identity->address);
    put_text(&writer, AGENT_RESOLVERS, identity->resolvers);
    if (identity->new_identity) {
        fields_put_int(&writer, AGENT_NEW_IDENTITY, 1);
    }
    if (identity->restored) {
        fields_put_int(&writer, AGENT_RESTORED, 1);
    }
    if (identity->process_limit > 0) {
        fields_put_int(&writer, AGENT_PROCESS_LIMIT, identity->process_limit);
    }
    if (identity->machine) {
        put_machine(&writer);
    }
    return finish_head(bytes, &writer);
}

size_t agent_hello_encode(unsigned char bytes[AGENT_MESSAGE_MAX])
{
    struct fields_writer writer = start_head(bytes, AGENT_OP_HELLO);
    return finish_head(bytes, &writer);
}

static int describe_error(const unsigned char *payload, size_t length, struct error *err)
{
    char message[160];
    fields_get_text(payload, length, AGENT_MESSAGE, message, sizeof(message));
    for (char *at = message; *at; at++) {
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    }
    int64_t errnum = fields_get_int(payload, length, AGENT_ERRNO, 0);
    return error_set(err, ERR_ENGINE, errnum > 0 && errnum < 4096 ? (int)errnum : 0,
                     "the sandbox's agent: %s", message);
}

int agent_answer_parse(unsigned char *bytes, size_t *length, struct error *err)
{
    struct frame_header header;
    while (*length >= FRAME_HEADER_BYTES) {
        if (frame_header_decode(bytes, &header) < 0 ||
            header.length > AGENT_ANSWER_MAX - FRAME_HEADER_BYTES) {
            return error_set(err, ERR_ENGINE, 0, "the sandbox's agent answers nonsense");
        }
        size_t whole = FRAME_HEADER_BYTES + header.length;
        if (*length < whole) {
            return 0;
        }
        if (header.type == AGENT_FRAME_DONE || header.type == AGENT_FRAME_EXIT) {
            return 1;
        }
        if (header.type == AGENT_FRAME_ERROR) {
            return describe_error(bytes + FRAME_HEADER_BYTES, header.length, err);
        }
        memmove(bytes, bytes + whole, *length - whole);
        *length -= whole;
    }
    return 0;
}

int agent_link_open(const char *socket_path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0) {
        return error_set(err, ERR_ENGINE, errno, "connect to the sandbox's agent");
    }
    return take_fd(&fd);
}

static int poll_until(int fd, short events, int64_t deadline_ms)
{
    struct pollfd item = {.fd = fd, .events = events};
    int64_t left_ms = deadline_ms - clock_monotonic_ms();
    int ready = left_ms > 0 ? poll(&item, 1, (int)left_ms) : 0;
    if (ready == 0) {
        errno = ETIMEDOUT;
    }
    return ready > 0 || (ready < 0 && errno == EINTR) ? 0 : -1;
}

/* One attempt: the kernel of a machine that boots says nothing to a connection for a while. */
static int try_machine(int64_t deadline_ms)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(GUEST_AGENT_PORT)};
    int problem = 0, one = 1;
    socklen_t size = sizeof(problem);
    inet_pton(AF_INET, GUEST_AGENT_ADDRESS, &address.sin_addr);
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fd < 0 ||
        (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 &&
         errno != EINPROGRESS)) {
        return -1;
    }
    if (poll_until(fd, POLLOUT, deadline_ms) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0 || problem != 0) {
        errno = problem ? problem : errno;
        return -1;
    }
    return take_fd(&fd);
}

int agent_link_open_machine(int64_t deadline_ms, struct error *err)
{
    for (;;) {
        int64_t attempt_ms = clock_monotonic_ms() + ATTEMPT_MAX_MS;
        int fd = try_machine(attempt_ms < deadline_ms ? attempt_ms : deadline_ms);
        if (fd >= 0) {
            return fd;
        }
        if (clock_monotonic_ms() + RETRY_MS >= deadline_ms) {
            return error_set(err, ERR_ENGINE, errno, "the guest's agent does not answer");
        }
        poll(NULL, 0, RETRY_MS);
    }
}

static int send_bytes(int fd, const unsigned char *bytes, size_t length, int64_t deadline_ms,
                      struct error *err)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if ((errno != EAGAIN && errno != EINTR) ||
                   poll_until(fd, POLLOUT, deadline_ms) < 0) {
            return error_set(err, ERR_ENGINE, errno, "ask the sandbox's agent");
        }
    }
    return 0;
}

static int await_answer(int fd, int64_t deadline_ms, struct error *err)
{
    auto_free unsigned char *bytes = malloc(AGENT_ANSWER_MAX);
    size_t length = 0;
    while (bytes) {
        ssize_t got = recv(fd, bytes + length, AGENT_ANSWER_MAX - length, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (poll_until(fd, POLLIN, deadline_ms) == 0) {
                continue;
            }
        }
        if (got <= 0) {
            return error_set(err, ERR_ENGINE, got == 0 ? EPIPE : errno,
                             "the sandbox's agent gives no answer");
        }
        length += (size_t)got;
        int done = agent_answer_parse(bytes, &length, err);
        if (done != 0) {
            return done < 0 ? -1 : 0;
        }
    }
    return error_set(err, ERR_INTERNAL, ENOMEM, "ask the sandbox's agent");
}

static int ask(int fd, const unsigned char *bytes, size_t length, int64_t deadline_ms,
               struct error *err)
{
    auto_close int own = fd;
    return send_bytes(own, bytes, length, deadline_ms, err) < 0 ||
                   await_answer(own, deadline_ms, err) < 0
               ? -1
               : 0;
}

int agent_link_identity(int fd, const struct agent_identity *identity, int64_t deadline_ms,
                        struct error *err)
{
    unsigned char bytes[AGENT_MESSAGE_MAX];
    size_t length = agent_identity_encode(identity, bytes);
    return ask(fd, bytes, length, deadline_ms, err);
}

static int open_any(const char *socket_path, int64_t deadline_ms, struct error *err)
{
    return socket_path ? agent_link_open(socket_path, err)
                       : agent_link_open_machine(deadline_ms, err);
}

int agent_link_identify(const char *socket_path, const struct agent_identity *identity,
                        int64_t deadline_ms, struct error *err)
{
    struct agent_identity wanted = *identity;
    for (int i = 0; i < CLOCK_ATTEMPTS_MAX; i++) {
        int fd = open_any(socket_path, deadline_ms, err);
        int64_t begun_ms = clock_monotonic_ms();
        if (fd < 0 || agent_link_identity(fd, &wanted, deadline_ms, err) < 0) {
            return -1;
        }
        if (!identity->machine || clock_monotonic_ms() - begun_ms <= CLOCK_SLOW_MS) {
            break;
        }
        wanted = (struct agent_identity){.machine = true};
    }
    return 0;
}

static int ask_plain(int fd, enum agent_operation operation, int64_t deadline_ms, struct error *err)
{
    unsigned char bytes[AGENT_MESSAGE_MAX];
    struct fields_writer writer = start_head(bytes, operation);
    return ask(fd, bytes, finish_head(bytes, &writer), deadline_ms, err);
}

int agent_link_sync(int fd, int64_t deadline_ms, struct error *err)
{
    return ask_plain(fd, AGENT_OP_SYNC, deadline_ms, err);
}

int agent_link_hello(int fd, int64_t deadline_ms, struct error *err)
{
    return ask_plain(fd, AGENT_OP_HELLO, deadline_ms, err);
}

size_t agent_run_encode(const char *const argv[], unsigned char bytes[AGENT_MESSAGE_MAX])
{
    struct fields_writer writer = start_head(bytes, AGENT_OP_EXEC);
    for (int i = 0; argv[i]; i++) {
        fields_put_string(&writer, AGENT_ARGUMENT, argv[i]);
    }
    fields_put_string(&writer, AGENT_ENV, "PATH=" SANDBOX_PATH);
    fields_put_string(&writer, AGENT_ENV, "LANG=" SANDBOX_LANG);
    return finish_head(bytes, &writer);
}

int agent_link_run(int fd, const char *const argv[], int64_t deadline_ms, struct error *err)
{
    unsigned char bytes[AGENT_MESSAGE_MAX];
    size_t length = agent_run_encode(argv, bytes);
    return ask(fd, bytes, length, deadline_ms, err);
}
