/* GET …/tunnel/{port}: a TCP connection to a server inside the sandbox, as a WebSocket of raw bytes. */
#include "api/socket_link.h"
#include "api/terminal.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "http/upgrade.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char tunnel_subprotocol[] = "miosa-tunnel-v1";

enum { CONNECT_MAX_MS = 10 * 1000 };

struct tunnel {
    struct socket_link link;
    struct sandbox_view view;
    int port;
    int fd;                  /* to the server inside */
    struct bytes_view input; /* of the client's last message, not yet sent inside */
    struct bytes_view output;
    bool server_ended;
    char bytes[SOCKET_PART_BYTES];
};

static void tunnel_free(void *state)
{
    struct tunnel *tunnel = state;
    close_fd(tunnel->fd);
    free(tunnel);
}

/* --- connecting --- */

static int make_address(int family, const char *text, int port, struct sockaddr_storage *address,
                        socklen_t *size)
{
    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET6) {
        struct sockaddr_in6 *v6 = (void *)address;
        v6->sin6_port = htons((uint16_t)port);
        *size = sizeof(*v6);
        return inet_pton(family, text, &v6->sin6_addr) == 1 ? 0 : -1;
    }
    struct sockaddr_in *v4 = (void *)address;
    v4->sin_port = htons((uint16_t)port);
    *size = sizeof(*v4);
    return inet_pton(family, text, &v4->sin_addr) == 1 ? 0 : -1;
}

/* Waits for a connect under way; the client may go, and we may end. 0, or -1 with errno. */
static int await_connected(const struct tunnel *tunnel, int fd)
{
    int64_t end_ms = clock_monotonic_ms() + CONNECT_MAX_MS;
    for (;;) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        struct pollfd polled[] = {{.fd = fd, .events = POLLOUT},
                                  {.fd = tunnel->link.fd, .events = POLLRDHUP},
                                  {.fd = tunnel->link.ending_fd, .events = POLLIN}};
        int ready = left_ms > 0 ? poll(polled, 3, (int)left_ms) : 0;
        if (ready == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (ready > 0 && (polled[1].revents || polled[2].revents)) {
            errno = ECANCELED;
            return -1;
        }
        if (ready > 0) {
            int failure = 0;
            socklen_t size = sizeof(failure);
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
            errno = failure;
            return failure ? -1 : 0;
        }
        if (errno != EINTR) {
            return -1;
        }
    }
}

/* A connection in one family. -1 with errno, or with err when there are no sockets to be had. */
static int connect_family(const struct tunnel *tunnel, int family, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t size;
    char text[46];
    auto_close int fd = -1;
    if (host_sockets(tunnel->link.api->host, tunnel->link.sandbox_id, family, 1, &fd, text, err)) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (make_address(family, text, tunnel->port, &address, &size)) {
        errno = EINVAL;
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&address, size) &&
        (errno != EINPROGRESS || await_connected(tunnel, fd))) {
        return -1;
    }
    return take_fd(&fd);
}

/* A server may listen in one family only. 0, or -1: the client was told. */
static int connect_inside(struct tunnel *tunnel)
{
    struct error err = {0}, v6_err = {0};
    tunnel->fd = connect_family(tunnel, AF_INET, &err);
    int reason = errno;
    if (tunnel->fd < 0 && err.code == ERR_NONE && reason == ECONNREFUSED) {
        tunnel->fd = connect_family(tunnel, AF_INET6, &v6_err);
    }
    if (tunnel->fd >= 0) {
        return 0;
    }
    if (err.code != ERR_NONE) {
        socket_link_end_failed(&tunnel->link, &err);
    } else if (reason == ECONNREFUSED) {
        socket_link_end(&tunnel->link, SOCKET_CLOSE_REFUSED,
                        "nothing listens on this port inside the sandbox");
    } else if (reason == ETIMEDOUT) {
        socket_link_end(&tunnel->link, SOCKET_CLOSE_TIMEOUT,
                        "the server inside the sandbox does not accept the connection");
    } else if (reason == ECANCELED) {
        socket_link_end(&tunnel->link, SOCKET_CLOSE_RESTART, "the connection was given up");
    } else {
        error_set(&err, ERR_UPSTREAM, reason, "connect inside the sandbox");
        socket_link_end_failed(&tunnel->link, &err);
    }
    return -1;
}

/* --- carrying --- */

/* -1: the connection inside broke. */
static int receive_inside(struct tunnel *tunnel)
{
    ssize_t got = recv(tunnel->fd, tunnel->bytes, sizeof(tunnel->bytes), MSG_DONTWAIT);
    if (got > 0) {
        tunnel->output = (struct bytes_view){tunnel->bytes, (size_t)got};
    }
    tunnel->server_ended |= got == 0;
    return got < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

static int send_inside(struct tunnel *tunnel)
{
    ssize_t sent =
        send(tunnel->fd, tunnel->input.data, tunnel->input.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        tunnel->input.data += sent;
        tunnel->input.length -= (size_t)sent;
    }
    return sent < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

/* The next message of the client. -1: it closed. Text is carried as the bytes that it is. */
static int take_message(struct tunnel *tunnel)
{
    struct websocket_message message;
    int got = socket_link_receive(&tunnel->link, &message);
    if (got == 1 && message.type != WEBSOCKET_CLOSE) {
        tunnel->input = (struct bytes_view){message.bytes, message.length};
        socket_link_touch(&tunnel->link);
        return 0;
    }
    return got == 0 ? 0 : -1;
}

/* Waits and carries. -1: over. */
static int carry(struct tunnel *tunnel)
{
    bool out = tunnel->output.length > 0, in = tunnel->input.length > 0;
    bool receives = !out && !tunnel->server_ended;
    struct pollfd inside = {.fd = in || receives ? tunnel->fd : -1,
                            .events = (short)((receives ? POLLIN : 0) | (in ? POLLOUT : 0))};
    if (socket_link_wait(&tunnel->link, !in, out, &inside)) {
        return -1;
    }
    int broken = in && (inside.revents & (POLLOUT | POLLERR | POLLHUP)) ? send_inside(tunnel) : 0;
    if (!broken && receives && inside.revents & (POLLIN | POLLERR | POLLHUP)) {
        broken = receive_inside(tunnel);
    }
    if (broken) {
        struct error err = {0};
        error_set(&err, ERR_UPSTREAM, errno, "the connection inside the sandbox");
        socket_link_end_failed(&tunnel->link, &err);
        return -1;
    }
    return out && tunnel->link.writable ? socket_link_send(&tunnel->link, &tunnel->output) : 0;
}

static void run_tunnel(struct request *request, struct websocket *websocket, int fd)
{
    struct tunnel *tunnel = request_state(request);
    struct sandbox_view view = tunnel->view;
    socket_link_init(&tunnel->link, request, websocket, fd, &view);
    FAULT_POINT("daemon.tunnel.connecting");
    if (connect_inside(tunnel)) {
        return;
    }
    log_info("tunnel.open", "port=%d", tunnel->port);
    for (;;) {
        if (tunnel->input.length == 0 && take_message(tunnel)) {
            return;
        }
        if (carry(tunnel)) {
            return;
        }
        if (tunnel->server_ended && tunnel->output.length == 0) {
            socket_link_end(&tunnel->link, SOCKET_CLOSE_NORMAL,
                            "the server inside has closed the connection");
            return;
        }
    }
}

/* --- beginning --- */

static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && port >= 1 && port <= 65535 ? (int)port : 0;
}

static struct tunnel *tunnel_new(struct request *request, const struct sandbox_use *use, int port)
{
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
    if (tunnel) {
        tunnel->fd = -1;
        tunnel->port = port;
        if (!sandbox_peek(api_of(request)->sandboxes, use->id, NULL, &tunnel->view)) {
            free(tunnel);
            return NULL;
        }
    }
    return tunnel;
}

static void open_tunnel(struct request *request, const struct sandbox_use *use)
{
    int port = parse_port(request_param(request, "port"));
    struct tunnel *tunnel = port ? tunnel_new(request, use, port) : NULL;
    if (tunnel) {
        request_set_state(request, tunnel, tunnel_free);
        respond_websocket(request, tunnel_subprotocol, run_tunnel);
    } else if (port) {
        respond_websocket_close(request, tunnel_subprotocol, SOCKET_CLOSE_FAILED,
                                "the tunnel cannot be opened");
    } else {
        respond_websocket_close(request, tunnel_subprotocol, SOCKET_CLOSE_BAD_PORT,
                                "the port must be a number from 1 to 65535");
    }
}

void tunnel_handle(struct request *request)
{
    struct error err = {0}, not_a_socket = {0};
    struct sandbox_use use;
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    bool usable = sandbox_use_begin(sandboxes, request_principal(request),
                                    request_param(request, "id"), 0, &use, &err) == 0;
    if (upgrade_check(request, &not_a_socket)) {
        respond_error(request, usable ? &not_a_socket : &err);
    } else if (usable) {
        open_tunnel(request, &use);
    } else {
        respond_websocket_close(request, tunnel_subprotocol, socket_close_code(&err), err.message);
    }
    if (usable) {
        sandbox_use_end(sandboxes, &use);
    }
}
