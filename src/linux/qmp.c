#include "linux/qmp.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct qmp {
    int fd;
    int64_t timeout_ms;
    int64_t deadline_ms; /* of what is being done */
    bool broken;         /* an answer is missing: what comes next would be taken for another one */
    struct buffer input; /* what was read and not yet looked at */
};

enum { READ_BYTES = 16 * 1024 };

/* Waits for events until the deadline. */
static int wait_for(const struct qmp *qmp, short events, struct error *err)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = qmp->fd, .events = events};
        int64_t left_ms = qmp->deadline_ms - clock_monotonic_ms();
        int count = left_ms <= 0 ? 0 : poll(&poll_fd, 1, (int)left_ms);
        if (count > 0) {
            return 0;
        }
        if (count == 0) {
            return error_set(err, ERR_ENGINE, 0, "QEMU does not answer");
        }
        if (errno != EINTR) {
            return error_set(err, ERR_ENGINE, errno, "speak to QEMU");
        }
    }
}

static int read_more(struct qmp *qmp, struct error *err)
{
    char *room = buffer_reserve(&qmp->input, READ_BYTES);
    if (!room) {
        return error_set(err, ERR_ENGINE, errno, "QEMU's answer is too long");
    }
    ssize_t got = -1;
    while (got < 0) {
        if (wait_for(qmp, POLLIN, err) < 0) {
            return -1;
        }
        got = recv(qmp->fd, room, READ_BYTES, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
            return error_set(err, ERR_ENGINE, got == 0 ? 0 : errno, "QEMU has ended");
        }
    }
    qmp->input.length += (size_t)got;
    qmp->input.data[qmp->input.length] = '\0';
    return 0;
}

/* Reads one line and says what it is. */
static int next_line(struct qmp *qmp, enum qmp_line *ret_kind, json_t **ret_value,
                     struct error *err)
{
    size_t seen = 0;
    for (;;) {
        char *start = qmp->input.data;
        char *end = start ? memchr(start + seen, '\n', qmp->input.length - seen) : NULL;
        if (end) {
            size_t length = (size_t)(end - start);
            int result = qmp_parse_line(start, length, ret_kind, ret_value, err);
            qmp->input.length -= length + 1;
            memmove(start, end + 1, qmp->input.length);
            return result;
        }
        seen = qmp->input.length;
        if (read_more(qmp, err) < 0) {
            return -1;
        }
    }
}

static int wait_for_answer(struct qmp *qmp, json_t **ret_result, struct error *err)
{
    for (int i = 0; i < QMP_SKIPPED_MAX; i++) {
        enum qmp_line kind;
        json_t *value = NULL;
        if (next_line(qmp, &kind, &value, err) < 0) {
            qmp->broken = true;
            return -1;
        }
        if (kind == QMP_LINE_ERROR) {
            return -1;
        }
        if (kind == QMP_LINE_ANSWER) {
            *ret_result = value;
            return 0;
        }
    }
    qmp->broken = true;
    return error_set(err, ERR_ENGINE, 0, "QEMU says much, but not the answer");
}

static int send_line(struct qmp *qmp, const char *text, size_t length, int fd, struct error *err)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)text, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    while (part.iov_len > 0) {
        if (wait_for(qmp, POLLOUT, err) < 0) {
            return -1;
        }
        ssize_t sent = sendmsg(qmp->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EINTR && errno != EAGAIN) {
            return error_set(err, ERR_ENGINE, errno, "QEMU has ended");
        }
        if (sent > 0) { /* the descriptor went with the first byte */
            part.iov_base = (char *)part.iov_base + sent;
            part.iov_len -= (size_t)sent;
            message.msg_control = NULL;
            message.msg_controllen = 0;
        }
    }
    return 0;
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int fd,
                json_t **ret_result, struct error *err)
{
    json_t *result = NULL;
    json_t *line = json_pack("{s:s}", "execute", command);
    qmp->deadline_ms = clock_monotonic_ms() + qmp->timeout_ms;
    if (line && arguments) {
        json_object_set_new(line, "arguments", arguments);
    } else {
        json_decref(arguments);
    }
    auto_free char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "%s", command);
    }
    if (qmp->broken) {
        return error_set(err, ERR_ENGINE, 0, "%s: QEMU does not answer", command);
    }
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of its NUL */
    if (send_line(qmp, text, length + 1, fd, err) < 0) {
        qmp->broken = true;
        return error_prefix(err, "%s", command);
    }
    if (wait_for_answer(qmp, &result, err) < 0) {
        return error_prefix(err, "%s", command);
    }
    if (ret_result) {
        *ret_result = result;
    } else {
        json_decref(result);
    }
    return 0;
}

/* QEMU greets; nothing else is understood before the capabilities are agreed on. */
static int greet(struct qmp *qmp, struct error *err)
{
    enum qmp_line kind;
    json_t *value = NULL;
    if (next_line(qmp, &kind, &value, err) < 0) {
        return -1;
    }
    json_decref(value);
    if (kind != QMP_LINE_OTHER) {
        return error_set(err, ERR_ENGINE, 0, "QEMU does not greet");
    }
    return qmp_execute(qmp, "qmp_capabilities", NULL, -1, NULL, err);
}

struct qmp *qmp_open_fd(int fd, int64_t timeout_ms, struct error *err)
{
    struct qmp *qmp = calloc(1, sizeof(*qmp));
    if (!qmp) {
        error_set(err, ERR_INTERNAL, ENOMEM, "connect to QEMU");
        close_fd(fd);
        return NULL;
    }
    qmp->fd = fd;
    qmp->timeout_ms = timeout_ms;
    qmp->deadline_ms = clock_monotonic_ms() + timeout_ms;
    qmp->input = BUFFER_INIT(QMP_LINE_MAX_BYTES);
    return greet(qmp, err) < 0 ? qmp_close(qmp) : qmp;
}

struct qmp *qmp_open(const char *path, int64_t timeout_ms, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof(address.sun_path)) {
        error_set(err, ERR_INTERNAL, ENAMETOOLONG, "connect to QEMU");
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path));
    /* connect() waits as long when the queue of a QEMU that does not accept is full */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error_set(err, ERR_ENGINE, errno, "connect to QEMU");
        return NULL;
    }
    return qmp_open_fd(take_fd(&fd), timeout_ms, err);
}

struct qmp *qmp_close(struct qmp *qmp)
{
    if (qmp) {
        close_fd(qmp->fd);
        buffer_free(&qmp->input);
        free(qmp);
    }
    return NULL;
}

void qmp_set_timeout(struct qmp *qmp, int64_t timeout_ms)
{
    qmp->timeout_ms = timeout_ms;
}
