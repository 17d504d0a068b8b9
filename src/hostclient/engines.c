#include "hostclient/exchange.h"

static void read_engine(const struct bytes_view *fields, struct host_engine *engine)
{
    const void *data = fields->data;
    size_t length = fields->length;
    *engine = (struct host_engine){.memory_snapshots =
                                       fields_get_int(data, length, HOST_MEMORY_SNAPSHOTS, 0) == 1};
    fields_get_text(data, length, HOST_ENGINE, engine->name, sizeof(engine->name));
    fields_get_text(data, length, HOST_ISOLATION, engine->isolation, sizeof(engine->isolation));
    fields_get_text(data, length, HOST_ACCEL, engine->accel, sizeof(engine->accel));
    fields_get_text(data, length, HOST_ENGINE_PROBLEM, engine->problem, sizeof(engine->problem));
    fields_get_text(data, length, HOST_MEMORY_PROBLEM, engine->memory_problem,
                    sizeof(engine->memory_problem));
}

static void read_engines(const struct exchange *exchange, struct host_info *info)
{
    struct fields_reader reader = {exchange->reply, exchange->reply_length, 0};
    struct field field;
    info->engine_count = 0;
    while (info->engine_count < HOST_ENGINES_MAX && fields_next(&reader, &field) == 1) {
        if (field.tag == HOST_ENGINE_INFO) {
            read_engine(&field.value, &info->engines[info->engine_count++]);
        }
    }
}

int host_hello(struct hostclient *client, struct host_info *ret_info, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (host_exchange_start(&exchange, HOST_OP_HELLO, err) < 0 ||
        host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    struct host_info *info = ret_info;
    host_exchange_text(&exchange, HOST_VERSION, info->version, sizeof(info->version));
    host_exchange_text(&exchange, HOST_CGROUP_MODE, info->cgroup_mode, sizeof(info->cgroup_mode));
    host_exchange_text(&exchange, HOST_NETWORK_PROBLEM, info->network_problem,
                       sizeof(info->network_problem));
    info->cpu_count = host_exchange_int(&exchange, HOST_CPU_COUNT);
    read_engines(&exchange, info);
    return 0;
}
