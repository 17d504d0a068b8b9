#include "hostd/connection.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_PAGE = 128 };

static void answer_hello(struct connection *connection)
{
    const struct server *server = connection->server;
    struct fields_writer writer = connection_reply(NULL);
    fields_put_string(&writer, HOST_VERSION, ATOLL_VERSION);
    fields_put_string(&writer, HOST_CGROUP_MODE,
                      engine_entry_probe(&server->engines->entries[0]).cgroup_mode);
    fields_put_int(&writer, HOST_CPU_COUNT, sysconf(_SC_NPROCESSORS_ONLN));
    if (server->context->network_problem[0]) {
        fields_put_string(&writer, HOST_NETWORK_PROBLEM, server->context->network_problem);
    }
    for (size_t i = 0; i < server->engines->count; i++) {
        struct engine_probe probe = engine_entry_probe(&server->engines->entries[i]);
        reply_engine(&writer, &probe);
    }
    connection_send(connection, &writer);
}

static void answer_usage(struct connection *connection, const char *id)
{
    const struct engine_entry *entry = engines_of(connection->server->engines, id);
    struct engine_usage usage;
    struct error error = {0};
    int failed = entry->operations->usage(entry->engine, id, &usage, &error);
    struct fields_writer writer = connection_reply(failed ? &error : NULL);
    if (!failed) {
        reply_usage(&writer, &usage);
    }
    connection_send(connection, &writer);
}

static void answer_sockets(struct connection *connection, const struct request *request)
{
    const struct engine_entry *entry = engines_of(connection->server->engines, request->id);
    int fds[HOST_SOCKETS_MAX];
    char address[46];
    struct error error = {0};
    if (entry->operations->sockets(entry->engine, request->id, request->family, request->count, fds,
                                   address, &error) < 0) {
        struct fields_writer refusal = connection_reply(&error);
        connection_send(connection, &refusal);
        return;
    }
    struct fields_writer writer = connection_reply(NULL);
    fields_put_string(&writer, HOST_ADDRESS, address);
    connection_send_descriptors(connection, &writer, fds, request->count);
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
    struct fields_writer writer = connection_reply(failed ? &error : NULL);
    while (first < count && strcmp(list[first].sandbox.id, after) <= 0) {
        first++;
    }
    for (size_t i = first; i < count && i < first + LIST_PAGE; i++) {
        reply_sandbox(&writer, list[i].engine, &list[i].sandbox);
    }
    if (count - first > LIST_PAGE) {
        fields_put_int(&writer, HOST_MORE, 1);
    }
    connection_send(connection, &writer);
}

static void answer_snapshot_list(struct connection *connection, const char *after)
{
    auto_free char(*ids)[ID_SIZE] = NULL;
    size_t count = 0, first = 0;
    struct error error = {0};
    int failed = engines_snapshot_list(connection->server->engines, &ids, &count, &error);
    struct fields_writer writer = connection_reply(failed ? &error : NULL);
    while (first < count && strcmp(ids[first], after) <= 0) {
        first++;
    }
    for (size_t i = first; i < count && i < first + LIST_PAGE; i++) {
        fields_put_string(&writer, HOST_SNAPSHOT_ID, ids[i]);
    }
    if (count - first > LIST_PAGE) {
        fields_put_int(&writer, HOST_MORE, 1);
    }
    connection_send(connection, &writer);
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
    struct fields_writer writer = connection_reply(failed ? &error : NULL);
    connection_send(connection, &writer);
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
    struct fields_writer writer = connection_reply(NULL);
    for (size_t i = 0; i < engines->count; i++) {
        if (put_pools(&writer, &engines->entries[i], &error) < 0) {
            writer = connection_reply(&error);
            break;
        }
    }
    connection_send(connection, &writer);
}

void connection_answer(struct connection *connection, const struct request *request)
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
        writer = connection_reply(NULL);
        connection->watching = true;
        connection_send(connection, &writer);
        break;
    default:
        connection_call(connection, request);
        break;
    }
}
