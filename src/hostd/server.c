#include "hostd/server.h"

#include "base/cleanup.h"
#include "hostd/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 512 };

/* One thread, one packet at a time. */
static unsigned char packet[HOST_PACKET_MAX];

static void on_packet(void *owner, uint32_t events)
{
    struct connection *connection = owner;
    struct request request;
    struct error error = {0};
    (void)events;
    ssize_t length = recv(connection->source.fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    /* The end, or a second request before the first was answered. */
    if (length <= 0 || connection->busy || connection->watching) {
        connection_close(connection);
        return;
    }
    if ((size_t)length > sizeof(packet) ||
        request_parse(packet, (size_t)length, connection->server->settings, &request, &error) < 0) {
        if (error.code == ERR_NONE) {
            error_set(&error, ERR_BAD_REQUEST, 0, "the packet is too long");
        }
        struct fields_writer writer = connection_reply(&error);
        connection_send(connection, &writer);
        return;
    }
    connection_answer(connection, &request);
}

static bool peer_allowed(const struct server *server, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == server->context->user_id);
}

static void on_connect(void *owner, uint32_t events)
{
    struct server *server = owner;
    (void)events;
    auto_close int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || !peer_allowed(server, fd)) {
        return;
    }
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        return;
    }
    connection->server = server;
    if (event_source_add(server->loop, &connection->source, fd, EPOLLIN, on_packet, connection) <
        0) {
        free(connection);
        return;
    }
    take_fd(&fd);
    connection->next = server->connections;
    server->connections = connection;
}

int server_open(struct server *server, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[sizeof(address.sun_path)];
    settings_path(server->settings, "run/host.sock", path, sizeof(path));
    memcpy(address.sun_path, path, sizeof(path));
    unlink(path);
    auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chown(path, 0, server->context->group_id) < 0 || chmod(path, 0660) < 0 ||
        listen(fd, BACKLOG) < 0 ||
        event_source_add(server->loop, &server->listener, fd, EPOLLIN, on_connect, server) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "listen on %s", path);
    }
    take_fd(&fd);
    return 0;
}

void server_report_end(struct server *server, const struct engine_ended *ended)
{
    struct connection *next;
    for (struct connection *connection = server->connections; connection; connection = next) {
        next = connection->next;
        if (connection->watching) {
            struct fields_writer writer = connection_packet();
            reply_ended(&writer, ended);
            connection_send(connection, &writer);
        }
    }
}

void server_close(struct server *server)
{
    char path[320];
    if (server->listener.fd >= 0) {
        unlink(settings_path(server->settings, "run/host.sock", path, sizeof(path)));
    }
    event_source_close(server->loop, &server->listener);
    struct connection *next;
    for (struct connection *connection = server->connections; connection; connection = next) {
        next = connection->next;
        connection_close(connection);
    }
}
