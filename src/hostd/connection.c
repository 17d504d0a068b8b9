#include "hostd/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One thread, one reply at a time. */
static unsigned char packet[HOST_PACKET_MAX];

static void free_connection(struct connection *connection)
{
    struct connection **link = &connection->server->connections;
    while (*link != connection) {
        link = &(*link)->next;
    }
    *link = connection->next;
    free(connection);
}

void connection_close(struct connection *connection)
{
    event_source_close(connection->server->loop, &connection->source);
    if (!connection->busy) {
        free_connection(connection);
    }
}

struct fields_writer connection_packet(void)
{
    struct fields_writer writer;
    fields_start(&writer, packet, sizeof(packet));
    return writer;
}

struct fields_writer connection_reply(const struct error *error)
{
    struct fields_writer writer = connection_packet();
    reply_start(&writer, error);
    return writer;
}

void connection_send(struct connection *connection, const struct fields_writer *writer)
{
    if (connection->source.fd >= 0 &&
        (writer->overflow || send(connection->source.fd, writer->data, writer->length,
                                  MSG_DONTWAIT | MSG_NOSIGNAL) < 0)) {
        connection_close(connection);
    }
}

void connection_send_descriptors(struct connection *connection, const struct fields_writer *writer,
                                 const int *fds, int count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(HOST_SOCKETS_MAX * sizeof(int))];
    } control = {0};
    size_t bytes = (size_t)count * sizeof(int);
    struct iovec data = {(void *)writer->data, writer->length};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(bytes)};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(&control.header), fds, bytes);
    if (writer->overflow ||
        sendmsg(connection->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        connection_close(connection);
    }
}
