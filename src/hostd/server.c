#include "hostd/server.h"

#include "base/cleanup.h"
#include "base/log.h"
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

static int wire_state(enum engine_state state)
{
    static const int states[] = {[ENGINE_STATE_RUNNING] = HOST_STATE_RUNNING,
                                 [ENGINE_STATE_FROZEN] = HOST_STATE_FROZEN,
                                 [ENGINE_STATE_STOPPED] = HOST_STATE_STOPPED,
                                 [ENGINE_STATE_SUSPENDED] = HOST_STATE_SUSPENDED};
    return states[state];
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
    if (!error && connection->operation == HOST_OP_CREATE) {
        fields_put_string(&writer, HOST_AGENT_SOCKET, call->created.agent_socket);
        fields_put_string(&writer, HOST_BOOT_PATH, call->created.boot_path);
        fields_put_int(&writer, HOST_BOOT_US, call->created.boot_us);
        fields_put_int(&writer, HOST_RESUMED, call->created.resumed);
    }
    if (!error && connection->operation == HOST_OP_FREEZE) {
        fields_put_int(&writer, HOST_STATE, wire_state(call->state));
    }
    if (!error && connection->operation == HOST_OP_SNAPSHOT) {
        fields_put_int(&writer, HOST_DISK_BYTES, call->saved.disk_bytes);
        fields_put_int(&writer, HOST_STORED_BYTES, call->saved.stored_bytes);
        fields_put_int(&writer, HOST_MEMORY_BYTES, call->saved.memory_bytes);
        fields_put_int(&writer, HOST_PAUSE_US, call->saved.pause_us);
        fields_put_string(&writer, HOST_DIGEST, call->saved.digest);
    }
    send_packet(connection, &writer);
}

static void put_engine(struct fields_writer *writer, const struct engine_probe *probe)
{
    unsigned char data[1024];
    struct fields_writer inner;
    fields_start(&inner, data, sizeof(data));
    fields_put_string(&inner, HOST_ENGINE, probe->name);
    fields_put_string(&inner, HOST_ISOLATION, probe->isolation);
    fields_put_string(&inner, HOST_ACCEL, probe->accel);
    fields_put_int(&inner, HOST_MEMORY_SNAPSHOTS, probe->memory_snapshots);
    if (probe->problem[0]) {
        fields_put_string(&inner, HOST_ENGINE_PROBLEM, probe->problem);
    }
    if (probe->memory_problem[0]) {
        fields_put_string(&inner, HOST_MEMORY_PROBLEM, probe->memory_problem);
    }
    fields_put_bytes(writer, HOST_ENGINE_INFO, inner.data, inner.length);
}

static void answer_hello(struct connection *connection)
{
    const struct server *server = connection->server;
    struct engine_probe probe;
    server->operations->probe(server->engine, &probe);
    struct fields_writer writer = start(NULL);
    fields_put_string(&writer, HOST_VERSION, ATOLL_VERSION);
    fields_put_string(&writer, HOST_CGROUP_MODE, probe.cgroup_mode);
    fields_put_int(&writer, HOST_CPU_COUNT, sysconf(_SC_NPROCESSORS_ONLN));
    put_engine(&writer, &probe);
    if (server->context->network_problem[0]) {
        fields_put_string(&writer, HOST_NETWORK_PROBLEM, server->context->network_problem);
    }
    send_packet(connection, &writer);
}

static void answer_usage(struct connection *connection, const char *id)
{
    const struct server *server = connection->server;
    struct engine_usage usage;
    struct error error = {0};
    int failed = server->operations->usage(server->engine, id, &usage, &error);
    struct fields_writer writer = start(failed ? &error : NULL);
    if (!failed) {
        fields_put_int(&writer, HOST_CPU_US, usage.cpu_us);
        fields_put_int(&writer, HOST_MEMORY_BYTES, usage.memory_bytes);
        fields_put_int(&writer, HOST_MEMORY_PEAK_BYTES, usage.memory_peak_bytes);
        fields_put_int(&writer, HOST_PROCESS_COUNT, usage.process_count);
        fields_put_int(&writer, HOST_OOM_KILLS, usage.oom_kills);
        fields_put_int(&writer, HOST_DISK_USED_BYTES, usage.disk_used_bytes);
        fields_put_int(&writer, HOST_NET_RX_BYTES, usage.net_rx_bytes);
        fields_put_int(&writer, HOST_NET_TX_BYTES, usage.net_tx_bytes);
    }
    send_packet(connection, &writer);
}

static void answer_sockets(struct connection *connection, const struct request *request)
{
    const struct server *server = connection->server;
    int fds[HOST_SOCKETS_MAX];
    char address[46];
    struct error error = {0};
    if (server->operations->sockets(server->engine, request->id, request->family, request->count,
                                    fds, address, &error) < 0) {
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

static void put_sandbox(struct fields_writer *writer, const struct engine_sandbox *sandbox)
{
    unsigned char data[512];
    struct fields_writer inner;
    fields_start(&inner, data, sizeof(data));
    fields_put_string(&inner, HOST_ID, sandbox->id);
    fields_put_int(&inner, HOST_STATE, wire_state(sandbox->state));
    fields_put_string(&inner, HOST_AGENT_SOCKET, sandbox->agent_socket);
    fields_put_int(&inner, HOST_OOM_KILLS, sandbox->oom_kills);
    fields_put_bytes(writer, HOST_SANDBOX, inner.data, inner.length);
}

static void answer_list(struct connection *connection, const char *after)
{
    const struct server *server = connection->server;
    auto_free struct engine_sandbox *list = NULL;
    size_t count = 0, first = 0;
    struct error error = {0};
    int failed = server->operations->list(server->engine, &list, &count, &error);
    struct fields_writer writer = start(failed ? &error : NULL);
    while (first < count && strcmp(list[first].id, after) <= 0) {
        first++;
    }
    for (size_t i = first; i < count && i < first + LIST_PAGE; i++) {
        put_sandbox(&writer, &list[i]);
    }
    if (count - first > LIST_PAGE) {
        fields_put_int(&writer, HOST_MORE, 1);
    }
    send_packet(connection, &writer);
}

static void answer_snapshot_list(struct connection *connection, const char *after)
{
    const struct server *server = connection->server;
    auto_free char(*ids)[ID_SIZE] = NULL;
    size_t count = 0, first = 0;
    struct error error = {0};
    int failed = server->operations->snapshot_list(server->engine, &ids, &count, &error);
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

static void start_call(struct connection *connection, const struct request *request)
{
    struct server *server = connection->server;
    connection->busy = true;
    connection->operation = request->operation;
    memcpy(connection->id, request->id, sizeof(connection->id));
    connection->call = (struct engine_call){.on_done = on_done, .owner = connection};
    switch (request->operation) {
    case HOST_OP_CREATE:
        server->operations->create(server->engine, &request->create, &connection->call);
        break;
    case HOST_OP_DESTROY:
        server->operations->destroy(server->engine, request->id, request->keep_disk,
                                    &connection->call);
        break;
    case HOST_OP_FREEZE:
        server->operations->freeze(server->engine, request->id, &connection->call);
        break;
    case HOST_OP_SNAPSHOT:
        server->operations->snapshot(server->engine, &request->snapshot, &connection->call);
        break;
    case HOST_OP_SNAPSHOT_REMOVE:
        server->operations->snapshot_remove(server->engine, request->snapshot.snapshot_id,
                                            &connection->call);
        break;
    default:
        server->operations->thaw(server->engine, request->id, &connection->call);
        break;
    }
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
    case HOST_OP_WATCH:
        writer = start(NULL);
        connection->watching = true;
        send_packet(connection, &writer);
        break;
    default:
        start_call(connection, request);
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
            fields_put_string(&writer, HOST_ID, ended->id);
            fields_put_string(&writer, HOST_REASON, ended->reason);
            fields_put_int(&writer, HOST_OOM_KILLS, ended->oom_kills);
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
