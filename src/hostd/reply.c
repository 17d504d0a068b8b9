#include "hostd/reply.h"

enum { ITEM_MAX_BYTES = 1024 };

void reply_start(struct fields_writer *writer, const struct error *error)
{
    fields_put_int(writer, HOST_ERROR_CODE, error ? (int64_t)error->code : 0);
    if (error) {
        fields_put_string(writer, HOST_ERROR_MESSAGE, error->message);
        fields_put_string(writer, HOST_ERROR_HINT, error->hint);
    }
}

/* Left out when empty. */
static void put_text(struct fields_writer *writer, enum host_tag tag, const char *text)
{
    if (text[0]) {
        fields_put_string(writer, tag, text);
    }
}

static int wire_state(enum engine_state state)
{
    static const int states[] = {[ENGINE_STATE_RUNNING] = HOST_STATE_RUNNING,
                                 [ENGINE_STATE_FROZEN] = HOST_STATE_FROZEN,
                                 [ENGINE_STATE_STOPPED] = HOST_STATE_STOPPED,
                                 [ENGINE_STATE_SUSPENDED] = HOST_STATE_SUSPENDED};
    return states[state];
}

static void put_created(struct fields_writer *writer, const struct engine_created *created,
                        const char *accel)
{
    fields_put_string(writer, HOST_AGENT_SOCKET, created->agent_socket);
    fields_put_string(writer, HOST_BOOT_PATH, created->boot_path);
    fields_put_int(writer, HOST_BOOT_US, created->boot_us);
    fields_put_int(writer, HOST_RESUMED, created->resumed);
    fields_put_string(writer, HOST_ACCEL, accel);
}

static void put_saved(struct fields_writer *writer, const struct engine_saved *saved)
{
    fields_put_int(writer, HOST_DISK_BYTES, saved->disk_bytes);
    fields_put_int(writer, HOST_STORED_BYTES, saved->stored_bytes);
    fields_put_int(writer, HOST_MEMORY_BYTES, saved->memory_bytes);
    fields_put_int(writer, HOST_PAUSE_US, saved->pause_us);
    fields_put_string(writer, HOST_DIGEST, saved->digest);
}

void reply_call(struct fields_writer *writer, enum host_operation operation,
                const struct engine_call *call, const struct engine_probe *probe)
{
    switch (operation) {
    case HOST_OP_CREATE:
        put_created(writer, &call->created, probe->accel);
        break;
    case HOST_OP_FREEZE:
        fields_put_int(writer, HOST_STATE, wire_state(call->state));
        break;
    case HOST_OP_SNAPSHOT:
        put_saved(writer, &call->saved);
        break;
    case HOST_OP_SNAPSHOT_CHECK:
        fields_put_int(writer, HOST_MEMORY_USABLE, call->memory_problem[0] == '\0');
        put_text(writer, HOST_REASON, call->memory_problem);
        break;
    default: /* that it is done is all there is to say */
        break;
    }
}

void reply_usage(struct fields_writer *writer, const struct engine_usage *usage)
{
    fields_put_int(writer, HOST_CPU_US, usage->cpu_us);
    fields_put_int(writer, HOST_MEMORY_BYTES, usage->memory_bytes);
    fields_put_int(writer, HOST_MEMORY_PEAK_BYTES, usage->memory_peak_bytes);
    fields_put_int(writer, HOST_PROCESS_COUNT, usage->process_count);
    fields_put_int(writer, HOST_OOM_KILLS, usage->oom_kills);
    fields_put_int(writer, HOST_DISK_USED_BYTES, usage->disk_used_bytes);
    fields_put_int(writer, HOST_NET_RX_BYTES, usage->net_rx_bytes);
    fields_put_int(writer, HOST_NET_TX_BYTES, usage->net_tx_bytes);
}

void reply_engine(struct fields_writer *writer, const struct engine_probe *probe)
{
    unsigned char data[ITEM_MAX_BYTES];
    struct fields_writer inner;
    fields_start(&inner, data, sizeof(data));
    fields_put_string(&inner, HOST_ENGINE, probe->name);
    fields_put_string(&inner, HOST_ISOLATION, probe->isolation);
    put_text(&inner, HOST_ENGINE_PROBLEM, probe->problem);
    fields_put_string(&inner, HOST_ACCEL, probe->accel);
    fields_put_int(&inner, HOST_MEMORY_SNAPSHOTS, probe->memory_snapshots);
    put_text(&inner, HOST_MEMORY_PROBLEM, probe->memory_problem);
    fields_put_bytes(writer, HOST_ENGINE_INFO, inner.data, inner.length);
}

void reply_sandbox(struct fields_writer *writer, const char *engine,
                   const struct engine_sandbox *sandbox)
{
    unsigned char data[ITEM_MAX_BYTES];
    struct fields_writer inner;
    fields_start(&inner, data, sizeof(data));
    fields_put_string(&inner, HOST_ID, sandbox->id);
    fields_put_string(&inner, HOST_ENGINE, engine);
    fields_put_int(&inner, HOST_STATE, wire_state(sandbox->state));
    fields_put_string(&inner, HOST_AGENT_SOCKET, sandbox->agent_socket);
    fields_put_int(&inner, HOST_OOM_KILLS, sandbox->oom_kills);
    fields_put_bytes(writer, HOST_SANDBOX, inner.data, inner.length);
}

static void put_shape(struct fields_writer *writer, const struct engine_shape *shape)
{
    fields_put_string(writer, HOST_TEMPLATE, shape->template_image);
    fields_put_int(writer, HOST_CPU_COUNT, shape->cpu_count);
    fields_put_int(writer, HOST_MEMORY_BYTES, shape->memory_bytes);
    fields_put_int(writer, HOST_DISK_BYTES, shape->disk_bytes);
    fields_put_int(writer, HOST_PROCESS_LIMIT, shape->process_limit);
    fields_put_int(writer, HOST_NETWORK,
                   shape->network == ENGINE_NETWORK_EGRESS ? HOST_NETWORK_EGRESS
                                                           : HOST_NETWORK_NONE);
}

void reply_pool(struct fields_writer *writer, const char *engine, const struct engine_pool *pool)
{
    unsigned char data[ITEM_MAX_BYTES];
    struct fields_writer inner;
    fields_start(&inner, data, sizeof(data));
    fields_put_string(&inner, HOST_ENGINE, engine);
    put_shape(&inner, &pool->shape);
    fields_put_int(&inner, HOST_COUNT, pool->wanted);
    fields_put_int(&inner, HOST_READY, pool->ready);
    fields_put_int(&inner, HOST_PREPARING, pool->preparing);
    fields_put_int(&inner, HOST_HITS, pool->hits);
    fields_put_int(&inner, HOST_MISSES, pool->misses);
    fields_put_int(&inner, HOST_REFILLS, pool->refills);
    fields_put_int(&inner, HOST_REFILL_US, pool->refill_us);
    put_text(&inner, HOST_REASON, pool->problem);
    fields_put_bytes(writer, HOST_POOL, inner.data, inner.length);
}

void reply_ended(struct fields_writer *writer, const struct engine_ended *ended)
{
    fields_put_string(writer, HOST_ID, ended->id);
    fields_put_string(writer, HOST_REASON, ended->reason);
    fields_put_int(writer, HOST_OOM_KILLS, ended->oom_kills);
    put_text(writer, HOST_CONSOLE, ended->console);
}
