#include "hostd/server.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "hostd/reply.h"
#include "hostd/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 512, LIST_PAGE = 128 };

struct connection {
    struct server *server;
    struct event_source source;
    const struct engine_entry *entry; /* of the call in progress */
    struct engine_call call;
    enum host_operation operation; /* of the call in progress */
    char id[ID_SIZE];
    bool busy;
    bool watching;
    struct connection *next;
};

/* One thread, one packet at a time. */
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

/* A request in progress keeps the struct until it is done. */
static void close_connection(struct connection *connection)
{
    event_source_close(connection->server->loop, &connection->source);
    if (!connection->busy) {
        free_connection(connection);
    }
}

static struct fields_writer start(const struct error *error)
{
    struct fields_writer writer;
    fields_start(&writer, packet, sizeof(packet));
    reply_start(&writer, error);
    return writer;
}

/* A client that does not read its replies loses its connection. False: the connection is gone. */
static bool send_packet(struct connection *connection, const struct fields_writer *writer)
{
    if (connection->source.fd >= 0 &&
        (writer->overflow || send(connection->source.fd, writer->data, writer->length,
                                  MSG_DONTWAIT | MSG_NOSIGNAL) < 0)) {
        close_connection(connection);
        return false;
    }
    return true;
}

/* As send_packet, with descriptors, which stay the caller's. */
static bool send_descriptors(struct connection *connection, const struct fields_writer *writer,
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
        close_connection(connection);
        return false;
    }
    return true;
}

static struct engine_probe probe(const struct engine_entry *entry)
{
    struct engine_probe found = {0};
    entry->operations->probe(entry->engine, &found);
    return found;
}

static void on_done(struct engine_call *call, const struct error *error)
{
    struct connection *connection = call->owner;
    connection->busy = false;
    if (error) {
        log_warn("request.failed", "operation=%d id=%s code=%s error=%s", connection->operation,
                 connection->id, error_api_code(error->code), error->message);
    } else {
        log_info("request.done", "operation=%d id=%s boot_us=%lld", connection->operation,
                 connection->id,
                 (long long)(connection->operation == HOST_OP_CREATE ? call->created.boot_us : 0));
    }
    if (connection->source.fd < 0) {
        free_connection(connection);
        return;
    }
    struct fields_writer writer = start(error);
    if (!error) {
        struct engine_probe found = probe(connection->entry);
        reply_call(&writer, connection->operation, call, &found);
    }
    send_packet(connection, &writer);
}

static void answer_hello(struct connection *connection)
{
    const struct server *server = connection->server;
    struct fields_writer writer = start(NULL);
    fields_put_string(&writer, HOST_VERSION, ATOLL_VERSION);
    fields_put_string(&writer, HOST_CGROUP_MODE, probe(&server->engines->entries[0]).cgroup_mode);
    fields_put_int(&writer, HOST_CPU_COUNT, sysconf(_SC_NPROCESSORS_ONLN));
    if (server->context->network_problem[0]) {
        fields_put_string(&writer, HOST_NETWORK_PROBLEM, server->context->network_problem);
    }
    for (size_t i = 0; i < server->engines->count; i++) {
        struct engine_probe found = probe(&server->engines->entries[i]);
        reply_engine(&writer, &found);
    }
    send_packet(connection, &writer);
}

static void answer_usage(struct connection *connection, const char *id)
{
    const struct engine_entry *entry = engines_of(connection->server->engines, id);
    struct engine_usage usage;
    struct error error = {0};
    int failed = entry->operations->usage(entry->engine, id, &usage, &error);
    struct fields_writer writer = start(failed ? &error : NULL);
    if (!failed) {
        reply_usage(&writer, &usage);
    }
    send_packet(connection, &writer);
}

static void answer_sockets(struct connection *connection, const struct request *request)
{
    const struct engine_entry *entry = engines_of(connection->server->engines, request->id);
    int fds[HOST_SOCKETS_MAX];
    char address[46];
    struct error error = {0};
    if (entry->operations->sockets(entry->engine, request->id, request->family, request->count, fds,
                                   address, &error) < 0) {
        struct fields_writer refusal = start(&error);
        send_packet(connection, &refusal);
        return;
    }
    struct fields_writer writer = start(NULL);
    fields_put_string(&writer, HOST_ADDRESS, address);
    send_descriptors(connection, &writer, fds, request->count);
    for (int i = 0; i < request->count; i++) {
        close_fd(fds[i]);
    }
}

static void answer_list(struct connection *connection, const char *after)
{
    auto_free struct listed_sandbox *list = NULL;
    size_t count = 0, first = 0;
    struct error error = {0};
    int failed = engines_list(connection->server->engines, &list, &count, &error);
    struct fields_writer writer = start(failed ? &error : NULL);
    while (first < count && strcmp(list[first].sandbox.id, after) <= 0) {
        first++;
    }
    for (size_t i = first; i < count && i < first + LIST_PAGE; i++) {
        reply_sandbox(&writer, list[i].engine, &list[i].sandbox);
    }
    if (count - first > LIST_PAGE) {
        fields_put_int(&writer, HOST_MORE, 1);
    }
    send_packet(connection, &writer);
}

static void answer_snapshot_list(struct connection *connection, const char *after)
{
    auto_free char(*ids)[ID_SIZE] = NULL;
    size_t count = 0, first = 0;
    struct error error = {0};
    int failed = engines_snapshot_list(connection->server->engines, &ids, &count, &error);
    struct fields_writer writer = start(failed ? &error : NULL);
    while (first < count && strcmp(ids[first], after) <= 0) {
        first++;
    }
    for (size_t i = first; i < count && i < first + LIST_PAGE; i++) {
        fields_put_string(&writer, HOST_SNAPSHOT_ID, ids[i]);
    }
    if (count - first > LIST_PAGE) {
        fields_put_int(&writer, HOST_MORE, 1);
    }
    send_packet(connection, &writer);
}

static void answer_pool(struct connection *connection, const struct request *request)
{
    struct error error = {0};
    const struct engine_entry *entry =
        engines_named(connection->server->engines, request->engine, &error);
    int failed =
        !entry ? -1
        : entry->operations->pool_set
            ? entry->operations->pool_set(entry->engine, &request->shape, request->count, &error)
            : error_set(&error, ERR_HOST_UNSUPPORTED, 0, "engine %s keeps no sandboxes ready",
                        request->engine);
    struct fields_writer writer = start(failed ? &error : NULL);
    send_packet(connection, &writer);
}

static int put_pools(struct fields_writer *writer, const struct engine_entry *entry,
                     struct error *err)
{
    auto_free struct engine_pool *pools = NULL;
    size_t count = 0;
    if (entry->operations->pool_status &&
        entry->operations->pool_status(entry->engine, &pools, &count, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        reply_pool(writer, entry->operations->name, &pools[i]);
    }
    return 0;
}

static void answer_pool_status(struct connection *connection)
{
    const struct engines *engines = connection->server->engines;
    struct error error = {0};
    struct fields_writer writer = start(NULL);
    for (size_t i = 0; i < engines->count; i++) {
        if (put_pools(&writer, &engines->entries[i], &error) < 0) {
            writer = start(&error);
            break;
        }
    }
    send_packet(connection, &writer);
}

/* Which engine the call is for; NULL with err. */
static struct engine_entry *find_engine(struct engines *engines, const struct request *request,
                                        struct error *err)
{
    switch (request->operation) {
    case HOST_OP_CREATE:
        return engines_for_create(engines, request->engine, &request->create, err);
    case HOST_OP_SNAPSHOT:
        return engines_for_snapshot(engines, &request->snapshot, err);
    case HOST_OP_SNAPSHOT_REMOVE:
    case HOST_OP_SNAPSHOT_CHECK:
        return engines_of_snapshot(engines, request->snapshot.snapshot_id);
    default:
        return engines_of(engines, request->id);
    }
}

static void start_call(struct connection *connection, const struct request *request)
{
    const struct engine_operations *operations = connection->entry->operations;
    struct engine *engine = connection->entry->engine;
    struct engine_call *call = &connection->call;
    switch (request->operation) {
    case HOST_OP_CREATE:
        operations->create(engine, &request->create, call);
        break;
    case HOST_OP_DESTROY:
        operations->destroy(engine, request->id, request->keep_disk, call);
        break;
    case HOST_OP_FREEZE:
        operations->freeze(engine, request->id, call);
        break;
    case HOST_OP_SNAPSHOT:
        operations->snapshot(engine, &request->snapshot, call);
        break;
    case HOST_OP_SNAPSHOT_CHECK:
        operations->snapshot_check(engine, request->snapshot.snapshot_id, request->digest,
                                   request->snapshot.template_image, call);
        break;
    case HOST_OP_SNAPSHOT_REMOVE:
        operations->snapshot_remove(engine, request->snapshot.snapshot_id, call);
        break;
    default:
        operations->thaw(engine, request->id, call);
        break;
    }
}

static void call_engine(struct connection *connection, const struct request *request)
{
    struct error error = {0};
    connection->entry = find_engine(connection->server->engines, request, &error);
    if (!connection->entry) {
        struct fields_writer writer = start(&error);
        send_packet(connection, &writer);
        return;
    }
    connection->busy = true;
    connection->operation = request->operation;
    memcpy(connection->id, request->id, sizeof(connection->id));
    connection->call = (struct engine_call){.on_done = on_done, .owner = connection};
    start_call(connection, request);
}

static void carry_out(struct connection *connection, const struct request *request)
{
    struct fields_writer writer;
    switch (request->operation) {
    case HOST_OP_HELLO:
        answer_hello(connection);
        break;
    case HOST_OP_USAGE:
        answer_usage(connection, request->id);
        break;
    case HOST_OP_LIST:
        answer_list(connection, request->after);
        break;
    case HOST_OP_SNAPSHOT_LIST:
        answer_snapshot_list(connection, request->after);
        break;
    case HOST_OP_SOCKETS:
        answer_sockets(connection, request);
        break;
    case HOST_OP_POOL:
        answer_pool(connection, request);
        break;
    case HOST_OP_POOL_STATUS:
        answer_pool_status(connection);
        break;
    case HOST_OP_WATCH:
        writer = start(NULL);
        connection->watching = true;
        send_packet(connection, &writer);
        break;
    default:
        call_engine(connection, request);
        break;
    }
}

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
        close_connection(connection);
        return;
    }
    if ((size_t)length > sizeof(packet) ||
        request_parse(packet, (size_t)length, connection->server->settings, &request, &error) < 0) {
        if (error.code == ERR_NONE) {
            error_set(&error, ERR_BAD_REQUEST, 0, "the packet is too long");
        }
        struct fields_writer writer = start(&error);
        send_packet(connection, &writer);
        return;
    }
    carry_out(connection, &request);
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
            struct fields_writer writer;
            fields_start(&writer, packet, sizeof(packet));
            reply_ended(&writer, ended);
            send_packet(connection, &writer);
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
        close_connection(connection);
    }
}
