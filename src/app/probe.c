#include "app/internal.h"

#include "app/environment.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { LISTENS_TIMEOUT_MS = 2000 };

static int connect_to(int fd, int family, const char *address, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (family == AF_INET) {
        return inet_pton(AF_INET, address, &in.sin_addr) == 1
                   ? connect(fd, (struct sockaddr *)&in, sizeof(in))
                   : -1;
    }
    return inet_pton(AF_INET6, address, &in6.sin6_addr) == 1
               ? connect(fd, (struct sockaddr *)&in6, sizeof(in6))
               : -1;
}

/* Waits for a connect that is under way. */
static int await_connection(int fd, int64_t timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int ready;
    do {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        ready = poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (ready < 0 && errno == EINTR);
    int problem = ready > 0 ? 0 : ETIMEDOUT;
    socklen_t size = sizeof(problem);
    if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0) {
        problem = errno;
    }
    errno = problem;
    return problem ? -1 : 0;
}

static int try_family(struct hostclient *host, const char *sandbox_id, int family, int port,
                      int64_t timeout_ms, struct error *err)
{
    auto_close int fd = -1;
    char address[46];
    if (host_sockets(host, sandbox_id, family, 1, &fd, address, err) < 0) {
        fd = -1;
        return -1;
    }
    int result = connect_to(fd, family, address, port);
    if (result < 0 && errno == EINPROGRESS) {
        result = await_connection(fd, timeout_ms);
    }
    if (result < 0) {
        return error_set(err, errno == ETIMEDOUT ? ERR_UPSTREAM_TIMEOUT : ERR_PORT_NOT_LISTENING, 0,
                         "nothing listens on port %d", port);
    }
    return 0;
}

int probe_tcp(struct hostclient *host, const char *sandbox_id, int port, int64_t timeout_ms,
              struct error *err)
{
    struct error second = {0};
    if (try_family(host, sandbox_id, AF_INET, port, timeout_ms, err) == 0) {
        return 0;
    }
    return err->code == ERR_PORT_NOT_LISTENING
               ? try_family(host, sandbox_id, AF_INET6, port, timeout_ms, &second)
               : -1;
}

bool app_port_listens(struct apps *apps, const char *sandbox_id, int port)
{
    struct error ignored = {0};
    return probe_tcp(apps->host, sandbox_id, port, LISTENS_TIMEOUT_MS, &ignored) == 0;
}

/* Runs to its end; its output is of no interest. */
static int await_exit(struct agent_call *call, int64_t timeout_ms, int *ret_code, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        struct agent_event event;
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        int got = left_ms > 0 ? agent_exec_next(call, -1, left_ms, &event, err) : 0;
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            return error_set(err, ERR_UPSTREAM_TIMEOUT, 0, "the readiness command takes too long");
        }
        if (event.type == AGENT_EVENT_EXIT) {
            *ret_code = event.exit.exit_code;
            return 0;
        }
    }
}

static int probe_exec(const struct sandbox_use *use, const char *command, int64_t timeout_ms,
                      struct error *err)
{
    const char *const arguments[] = {"/bin/bash", "-c", command, NULL};
    char **environment = environment_make(use, NULL, err);
    if (!environment) {
        return -1;
    }
    struct agent_exec request = {
        .arguments = arguments,
        .environment = (const char *const *)environment,
        .cwd = use->workdir[0] ? use->workdir : "/",
        .timeout_ms = timeout_ms,
    };
    struct agent_call *call = agent_exec_start(use->agent_socket, &request, err);
    int code = 0;
    int result = call ? await_exit(call, timeout_ms, &code, err) : -1;
    agent_call_free(call);
    environment_free(environment);
    if (result == 0 && code != 0) {
        return error_set(err, ERR_APP_FAILED, 0, "the readiness command exited with %d", code);
    }
    return result;
}

static int probe_once(struct apps *apps, const struct sandbox_use *use, json_t *probe,
                      int64_t timeout_ms, int *ret_status, struct error *err)
{
    const char *type = plan_text(probe, "type");
    int port = (int)plan_int(probe, "port");
    if (strcmp(type, "http") == 0) {
        return probe_http(apps->host, use->id, port, plan_text(probe, "path"), timeout_ms,
                          ret_status, err);
    }
    return strcmp(type, "tcp") == 0 ? probe_tcp(apps->host, use->id, port, timeout_ms, err)
                                    : probe_exec(use, plan_text(probe, "command"), timeout_ms, err);
}

int app_probe(struct apps *apps, const struct sandbox_use *use, json_t *probe, int64_t timeout_ms,
              int *ret_status, int64_t *ret_latency_ms, struct error *err)
{
    auto_json json_t *checked = probe_normalise(probe, err);
    if (!checked) {
        return -1;
    }
    int status = 0;
    int64_t started_ms = clock_monotonic_ms();
    if (probe_once(apps, use, checked, timeout_ms, &status, err) < 0) {
        return -1;
    }
    *ret_status = status;
    *ret_latency_ms = clock_monotonic_ms() - started_ms;
    return 0;
}
