#include "hostd/connection.h"

#include "base/log.h"

#include <string.h>

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
        connection_close(connection);
        return;
    }
    struct fields_writer writer = connection_reply(error);
    if (!error) {
        struct engine_probe probe = engine_entry_probe(connection->entry);
        reply_call(&writer, connection->operation, call, &probe);
    }
    connection_send(connection, &writer);
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

void connection_call(struct connection *connection, const struct request *request)
{
    struct error error = {0};
    connection->entry = find_engine(connection->server->engines, request, &error);
    if (!connection->entry) {
        struct fields_writer writer = connection_reply(&error);
        connection_send(connection, &writer);
        return;
    }
    connection->busy = true;
    connection->operation = request->operation;
    memcpy(connection->id, request->id, sizeof(connection->id));
    connection->call = (struct engine_call){.on_done = on_done, .owner = connection};
    start_call(connection, request);
}
