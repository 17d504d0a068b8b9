/* tunnel: connections to a local port reach a server inside a sandbox. */
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/session.h"
#include "cli/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PART_BYTES = 16 * 1024, PING_MS = 20 * 1000 };

/* One connection: two threads, because either direction may wait for the other end. */
struct connection {
    const struct client *client;
    char path[128];
    int fd, socket_fd;
    struct websocket *websocket;
};

static void connection_free(struct connection *connection)
{
    websocket_free(connection->websocket);
    close_fd(connection->socket_fd);
    close_fd(connection->fd);
    free(connection);
}

/* Thread: from the local end to the sandbox. */
static void *carry_up(void *argument)
{
    struct connection *connection = argument;
    char bytes[PART_BYTES];
    ssize_t got;
    while ((got = recv(connection->fd, bytes, sizeof bytes, 0)) > 0) {
        if (websocket_send(connection->websocket, WEBSOCKET_BINARY, bytes, (size_t)got)) {
            break;
        }
    }
    websocket_close(connection->websocket, 1000, NULL);
    return NULL;
}

static void report_close(const struct websocket_message *message)
{
    struct error err = {0};
    if (message->close_code != 1000 && message->close_code != 1005) {
        socket_close_error(message, &err);
        report_error(&err, false);
    }
}

static void carry_down(struct connection *connection)
{
    struct websocket_message message;
    for (;;) {
        int got = websocket_receive(connection->websocket, PING_MS, &message);
        if (got == 0) {
            websocket_ping(connection->websocket);
        } else if (got < 0 || message.type == WEBSOCKET_CLOSE) {
            if (got > 0) {
                report_close(&message);
            }
            return;
        } else if (write_all(connection->fd, message.bytes, message.length)) {
            return;
        }
    }
}

/* Thread of a connection. */
static void *serve(void *argument)
{
    struct connection *connection = argument;
    struct error err = {0};
    pthread_t up;
    connection->websocket = client_websocket(connection->client, connection->path,
                                             "miosa-tunnel-v1", &connection->socket_fd, &err);
    if (!connection->websocket) {
        report_error(&err, false);
    } else if (pthread_create(&up, NULL, carry_up, connection) == 0) {
        carry_down(connection);
        shutdown(connection->fd, SHUT_RDWR);
        pthread_join(up, NULL);
    }
    connection_free(connection);
    return NULL;
}

static void accept_one(const struct client *client, const char *path, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct connection *connection = fd >= 0 ? calloc(1, sizeof *connection) : NULL;
    if (!connection) {
        close_fd(fd);
        return;
    }
    connection->client = client;
    connection->fd = fd;
    connection->socket_fd = -1;
    snprintf(connection->path, sizeof connection->path, "%s", path);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, connection)) {
        connection_free(connection);
    } else {
        pthread_detach(thread);
    }
}

/* On the loopback only: the tunnel carries the user's own rights. */
static int listen_on(int64_t *port, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)*port)};
    socklen_t size = sizeof address;
    int on = 1;
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&address, &size)) {
        return error_set(err, ERR_BAD_REQUEST, errno, "listen on 127.0.0.1:%lld", (long long)*port);
    }
    *port = ntohs(address.sin_port);
    return take_fd(&fd);
}

static int accept_until_signal(const struct client *client, const char *path, int listener)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    auto_close int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    for (;;) {
        struct pollfd polled[] = {{.fd = listener, .events = POLLIN},
                                  {.fd = signal_fd, .events = POLLIN}};
        if (poll(polled, 2, -1) < 0 && errno != EINTR) {
            return EXIT_API_ERROR;
        }
        if (polled[1].revents) {
            return EXIT_OK;
        }
        if (polled[0].revents) {
            accept_one(client, path, listener);
        }
    }
}

/* "8080:80", or "80" for both. */
static int parse_ports(const char *text, int64_t *ret_local, int64_t *ret_remote)
{
    char local[16];
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    if (length >= sizeof local) {
        return -1;
    }
    memcpy(local, text, length);
    local[length] = '\0';
    return number_parse(local, colon ? 0 : 1, 65535, ret_local) ||
                   number_parse(colon ? colon + 1 : text, 1, 65535, ret_remote)
               ? -1
               : 0;
}

int command_tunnel(const struct command *command, const struct arguments *arguments)
{
    int64_t local, remote;
    if (parse_ports(arguments->operands[1], &local, &remote)) {
        return usage_error(command, "expected LOCAL:REMOTE, such as 8080:3000, not '%s'",
                           arguments->operands[1]);
    }
    char id[64], path[128];
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err) ||
        sandbox_resolve(&client, arguments->operands[0], id, sizeof id, &err)) {
        return report_error(&err, json);
    }
    auto_close int listener = listen_on(&local, &err);
    if (listener < 0) {
        return report_error(&err, json);
    }
    snprintf(path, sizeof path, "/sandboxes/%s/tunnel/%lld", id, (long long)remote);
    printf("127.0.0.1:%lld leads to port %lld of %s; Ctrl-C ends it\n", (long long)local,
           (long long)remote, arguments->operands[0]);
    fflush(stdout);
    return accept_until_signal(&client, path, listener);
}
