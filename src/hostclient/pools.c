#include "hostclient/exchange.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

int host_pool(struct hostclient *client, const struct host_shape *shape, int64_t wanted,
              struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    struct fields_writer *writer = &exchange.writer;
    if (host_exchange_start(&exchange, HOST_OP_POOL, err) < 0) {
        return -1;
    }
    fields_put_string(writer, HOST_ENGINE, shape->engine);
    fields_put_string(writer, HOST_TEMPLATE, shape->template_image);
    fields_put_int(writer, HOST_CPU_COUNT, shape->cpu_count);
    fields_put_int(writer, HOST_MEMORY_BYTES, shape->memory_bytes);
    fields_put_int(writer, HOST_DISK_BYTES, shape->disk_bytes);
    fields_put_int(writer, HOST_PROCESS_LIMIT, shape->process_limit);
    fields_put_int(writer, HOST_NETWORK, shape->network);
    fields_put_int(writer, HOST_COUNT, wanted);
    return host_exchange_ask(client, &exchange, err);
}

static void read_pool(const struct bytes_view *fields, struct host_pool *pool)
{
    const void *data = fields->data;
    size_t length = fields->length;
    struct host_shape *shape = &pool->shape;
    *pool = (struct host_pool){
        .shape = {.cpu_count = fields_get_int(data, length, HOST_CPU_COUNT, 0),
                  .memory_bytes = fields_get_int(data, length, HOST_MEMORY_BYTES, 0),
                  .disk_bytes = fields_get_int(data, length, HOST_DISK_BYTES, 0),
                  .process_limit = fields_get_int(data, length, HOST_PROCESS_LIMIT, 0),
                  .network = (enum host_network)fields_get_int(data, length, HOST_NETWORK, 0)},
        .wanted = fields_get_int(data, length, HOST_COUNT, 0),
        .ready = fields_get_int(data, length, HOST_READY, 0),
        .preparing = fields_get_int(data, length, HOST_PREPARING, 0),
        .hits = fields_get_int(data, length, HOST_HITS, 0),
        .misses = fields_get_int(data, length, HOST_MISSES, 0),
        .refills = fields_get_int(data, length, HOST_REFILLS, 0),
        .refill_us = fields_get_int(data, length, HOST_REFILL_US, 0),
    };
    fields_get_text(data, length, HOST_ENGINE, shape->engine, sizeof(shape->engine));
    fields_get_text(data, length, HOST_TEMPLATE, shape->template_image,
                    sizeof(shape->template_image));
    fields_get_text(data, length, HOST_REASON, pool->problem, sizeof(pool->problem));
}

int host_pool_status(struct hostclient *client, struct host_pool **ret_pools, size_t *ret_count,
                     struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    auto_free struct host_pool *pools = NULL;
    size_t count = 0;
    if (host_exchange_start(&exchange, HOST_OP_POOL_STATUS, err) < 0 ||
        host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    struct fields_reader reader = {exchange.reply, exchange.reply_length, 0};
    struct field field;
    while (fields_next(&reader, &field) == 1) {
        if (field.tag != HOST_POOL) {
            continue;
        }
        struct host_pool *larger = reallocarray(pools, count + 1, sizeof(*pools));
        if (!larger) {
            return error_set(err, ERR_INTERNAL, ENOMEM, "list pools");
        }
        pools = larger;
        read_pool(&field.value, &pools[count++]);
    }
    *ret_pools = take_pointer(&pools);
    *ret_count = count;
    return 0;
}
