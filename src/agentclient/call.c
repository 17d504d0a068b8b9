#include "agentclient/call.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

enum {
    INPUT_FIRST_BYTES = 16 * 1024,
    INPUT_MAX_BYTES = FRAME_HEADER_BYTES + FRAME_DATA_MAX, /* no agent frame is longer */
    SEND_BUFFER_BYTES = 1024 * 1024,
};

struct call_wait call_default_wait(void)
{
    return (struct call_wait){.deadline_ms = clock_monotonic_ms() + AGENT_SILENCE_MAX_MS,
                              .cancel_fd = -1,
                              .silence_is_failure = true};
}

struct agent_call *agent_call_free(struct agent_call *call)
{
    if (call) {
        close_fd(call->fd);
        int saved = errno;
        free(call->input);
        free(call);
        errno = saved;
    }
    return NULL;
}

int agent_call_fd(const struct agent_call *call)
{
    return call->fd;
}

static int connect_to(const char *socket_path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path)) {
        return error_set(err, ERR_AGENT_UNAVAILABLE, ENAMETOOLONG, "agent socket");
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set(err, ERR_INTERNAL, errno, "agent socket");
    }
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0) {
        /* EAGAIN: more connections wait than the agent accepts. */
        return error_set(err, errno == EAGAIN ? ERR_AGENT_BUSY : ERR_AGENT_UNAVAILABLE, errno,
                         "connect to the sandbox's agent");
    }
    int size = SEND_BUFFER_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return take_fd(&fd);
}

struct agent_call *call_open(const char *socket_path, struct error *err)
{
    auto_close int fd = connect_to(socket_path, err);
    if (fd < 0) {
        return NULL;
    }
    struct agent_call *call = calloc(1, sizeof(*call));
    unsigned char *input = malloc(INPUT_FIRST_BYTES);
    if (!call || !input) {
        free(call);
        free(input);
        error_set(err, ERR_INTERNAL, ENOMEM, "call the agent");
        return NULL;
    }
    call->fd = take_fd(&fd);
    call->input = input;
    call->capacity = INPUT_FIRST_BYTES;
    return call;
}

/* 0, or -1 with errno ETIMEDOUT or EPIPE. */
static int wait_writable(struct agent_call *call, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms == INT64_MAX ? -1 : deadline_ms - clock_monotonic_ms();
        if (deadline_ms != INT64_MAX && left_ms <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        struct pollfd waiting = {.fd = call->fd, .events = POLLOUT};
        int count = poll(&waiting, 1, (int)(left_ms > INT32_MAX ? INT32_MAX : left_ms));
        if (count > 0 && (waiting.revents & (POLLHUP | POLLERR))) {
            errno = EPIPE;
            return -1;
        }
        if (count > 0) {
            return 0;
        }
        if (count < 0 && errno != EINTR) {
            return -1;
        }
    }
}

static void advance(struct iovec parts[2], size_t sent)
{
    for (int i = 0; i < 2; i++) {
        size_t step = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        if (step == 0) {
            continue; /* an empty payload has no address */
        }
        parts[i].iov_base = (char *)parts[i].iov_base + step;
        parts[i].iov_len -= step;
        sent -= step;
    }
}

int call_send(struct agent_call *call, uint8_t type, const void *payload, size_t length,
              int64_t timeout_ms)
{
    assert(length <= FRAME_PAYLOAD_MAX);
    unsigned char header[FRAME_HEADER_BYTES];
    frame_header_encode((struct frame_header){(uint32_t)length, type}, header);
    struct iovec parts[2] = {{header, sizeof(header)}, {(void *)(uintptr_t)payload, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t sent = sendmsg(call->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            advance(parts, (size_t)sent);
            continue;
        }
        if (errno == EAGAIN) {
            int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_monotonic_ms() + timeout_ms;
            if (wait_writable(call, deadline_ms) < 0) {
                return -1;
            }
        } else if (errno != EINTR) {
            errno = errno == ECONNRESET ? EPIPE : errno;
            return -1;
        }
    }
    return 0;
}

int call_send_head(struct agent_call *call, const struct fields_writer *head, struct error *err)
{
    if (head->overflow) {
        call->state = CALL_ENDED;
        return error_set(err, ERR_TOO_LARGE, 0, "arguments and environment exceed %d bytes",
                         FRAME_PAYLOAD_MAX);
    }
    if (call_send(call, AGENT_FRAME_HEAD, head->data, head->length, AGENT_SILENCE_MAX_MS) < 0 &&
        errno != EPIPE) { /* EPIPE: why is in the frame that waits */
        call->state = CALL_ENDED;
        return error_set(err, ERR_AGENT_UNAVAILABLE, errno, "ask the sandbox's agent");
    }
    return 0;
}

static int poll_timeout(const struct call_wait *wait)
{
    if (wait->deadline_ms == INT64_MAX) {
        return -1;
    }
    int64_t left_ms = wait->deadline_ms - clock_monotonic_ms();
    if (left_ms < 0) {
        return 0;
    }
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

int call_wait_readable(struct agent_call *call, const struct call_wait *wait, struct error *err)
{
    for (;;) {
        struct pollfd waiting[2] = {{.fd = call->fd, .events = POLLIN},
                                    {.fd = wait->cancel_fd, .events = POLLRDHUP}};
        int count = poll(waiting, 2, poll_timeout(wait));
        if (count < 0 && errno != EINTR) {
            return error_set(err, ERR_INTERNAL, errno, "wait for the agent");
        }
        if (count > 0 && waiting[1].revents) {
            return error_set(err, ERR_CANCELLED, 0, "the client went away");
        }
        if (count > 0) {
            return 1;
        }
        if (count == 0 && wait->silence_is_failure) {
            call->state = CALL_ENDED;
            return error_set(err, ERR_AGENT_UNAVAILABLE, ETIMEDOUT,
                             "the sandbox's agent is silent");
        }
        if (count == 0) {
            return 0;
        }
    }
}

int call_fill(struct agent_call *call, struct error *err)
{
    if (call->start == call->end) {
        call->start = call->end = 0;
    }
    assert(call->end < call->capacity);
    for (;;) {
        ssize_t got =
            recv(call->fd, call->input + call->end, call->capacity - call->end, MSG_DONTWAIT);
        if (got > 0) {
            call->end += (size_t)got;
            return 1;
        }
        if (got < 0 && errno == EAGAIN) {
            return 0;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        call->state = CALL_ENDED;
        return error_set(err, ERR_AGENT_UNAVAILABLE, got < 0 ? errno : 0,
                         "the sandbox's agent ended the connection early");
    }
}

/* Makes room for a frame of that many bytes from start on. */
static int make_room(struct agent_call *call, size_t bytes, struct error *err)
{
    if (call->start > 0 && call->start + bytes > call->capacity) {
        memmove(call->input, call->input + call->start, call->end - call->start);
        call->end -= call->start;
        call->start = 0;
    }
    if (bytes <= call->capacity) {
        return 0;
    }
    unsigned char *input = realloc(call->input, INPUT_MAX_BYTES);
    if (!input) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "receive from the agent");
    }
    call->input = input;
    call->capacity = INPUT_MAX_BYTES;
    return 0;
}

/* Is a whole frame buffered? 1 and the frame, 0 with room made for it, -1 with err. */
static int take_frame(struct agent_call *call, struct call_frame *ret_frame, struct error *err)
{
    size_t held = call->end - call->start;
    if (held < FRAME_HEADER_BYTES) {
        return make_room(call, FRAME_HEADER_BYTES, err);
    }
    struct frame_header header;
    if (frame_header_decode(call->input + call->start, &header) < 0 ||
        header.length > FRAME_DATA_MAX) {
        return call_violation(call, "a malformed frame", err);
    }
    size_t whole = FRAME_HEADER_BYTES + header.length;
    if (held < whole) {
        return make_room(call, whole, err);
    }
    *ret_frame = (struct call_frame){.type = header.type,
                                     .payload = call->input + call->start + FRAME_HEADER_BYTES,
                                     .length = header.length};
    call->start += whole;
    return 1;
}

int call_next(struct agent_call *call, const struct call_wait *wait, struct call_frame *ret_frame,
              struct error *err)
{
    if (call->state != CALL_OPEN) {
        return error_set(err, ERR_AGENT_UNAVAILABLE, 0, "the operation is over");
    }
    assert(call->data_left == 0);
    for (;;) {
        int result = take_frame(call, ret_frame, err);
        if (result == 0) {
            result = call_fill(call, err);
            if (result > 0) {
                continue;
            }
            if (result == 0) {
                result = call_wait_readable(call, wait, err);
                if (result > 0) {
                    continue;
                }
            }
            return result;
        }
        if (result < 0) {
            call->state = CALL_ENDED;
            return -1;
        }
        if (ret_frame->type == AGENT_FRAME_ERROR) {
            call->state = CALL_ENDED;
            return call_error(ret_frame, call->subject, err);
        }
        return 1;
    }
}

int call_finish(struct agent_call *call, struct call_frame *ret_frame, struct error *err)
{
    struct call_wait wait = call_default_wait();
    int result = call_next(call, &wait, ret_frame, err);
    if (result < 0) {
        return -1;
    }
    if (ret_frame->type != AGENT_FRAME_DONE || call->start != call->end) {
        return call_violation(call, "something else than one final frame", err);
    }
    call->state = CALL_ENDED;
    return 0;
}

int call_violation(struct agent_call *call, const char *what, struct error *err)
{
    call->state = CALL_ENDED;
    return error_set(err, ERR_AGENT_UNAVAILABLE, EPROTO, "the sandbox's agent sent %s", what);
}
