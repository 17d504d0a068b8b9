#include "engine/vm/pulse.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/guest_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Questions in the time that a silence may last. */
enum { QUESTIONS = 3 };

void pulse_start(struct pulse *pulse, int64_t limit_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    pulse->limit_ms = limit_ms;
    pulse->heard_ms = pulse->asked_ms = now_ms;
    pulse->fd = -1;
}

struct pollfd pulse_poll(const struct pulse *pulse)
{
    return (struct pollfd){.fd = pulse->fd,
                           .events = pulse->fd >= 0 && !pulse->sent ? POLLOUT : POLLIN};
}

int pulse_timeout_ms(const struct pulse *pulse)
{
    if (pulse->limit_ms == 0) {
        return -1;
    }
    int64_t due_ms = pulse->asked_ms + pulse->limit_ms / QUESTIONS - clock_monotonic_ms();
    return due_ms < 0 ? 0 : due_ms > INT_MAX ? INT_MAX : (int)due_ms;
}

/* A new question takes the place of one that was not answered: its connection may be what is dead. */
static void ask(struct pulse *pulse, int64_t now_ms)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(GUEST_AGENT_PORT)};
    inet_pton(AF_INET, GUEST_AGENT_ADDRESS, &address.sin_addr);
    close_fd(pulse->fd);
    pulse->asked_ms = now_ms;
    pulse->sent = false;
    pulse->length = 0;
    pulse->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (pulse->fd >= 0 &&
        connect(pulse->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
        errno != EINPROGRESS) {
        pulse->fd = close_fd(pulse->fd);
    }
}

static int send_question(struct pulse *pulse)
{
    unsigned char bytes[AGENT_MESSAGE_MAX];
    size_t length = agent_hello_encode(bytes);
    pulse->sent = true;
    return send(pulse->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length ? 0 : -1;
}

/* Any answer is a sign of life, also a refusal. 1: it came, 0: not yet, -1: it will not. */
static int read_answer(struct pulse *pulse)
{
    struct error ignored;
    ssize_t got =
        recv(pulse->fd, pulse->answer + pulse->length, sizeof(pulse->answer) - pulse->length, 0);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN ? 0 : -1;
    }
    pulse->length += (size_t)got;
    int outcome = agent_answer_parse(pulse->answer, &pulse->length, &ignored);
    return outcome != 0 ? 1 : pulse->length == sizeof(pulse->answer) ? -1 : 0;
}

static void listen_to(struct pulse *pulse, short revents, int64_t now_ms)
{
    int outcome = revents & POLLIN                    ? read_answer(pulse)
                  : revents & (POLLERR | POLLHUP)     ? -1
                  : revents & POLLOUT && !pulse->sent ? send_question(pulse)
                                                      : 0;
    if (outcome > 0) {
        pulse->heard_ms = now_ms;
    }
    if (outcome != 0) {
        pulse->fd = close_fd(pulse->fd);
    }
}

bool pulse_turn(struct pulse *pulse, short revents)
{
    int64_t now_ms = clock_monotonic_ms();
    if (pulse->limit_ms == 0) {
        return true;
    }
    if (pulse->fd >= 0) {
        listen_to(pulse, revents, now_ms);
    }
    if (now_ms - pulse->heard_ms >= pulse->limit_ms) {
        return false;
    }
    if (now_ms - pulse->asked_ms >= pulse->limit_ms / QUESTIONS) {
        ask(pulse, now_ms);
    }
    return true;
}
