#include "base/cleanup.h"
#include "hostclient/exchange.h"

#include <stdlib.h>

int host_snapshot(struct hostclient *client, const char *id, const char *snapshot_id,
                  const char *template_image, struct host_snapshot *ret_snapshot, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (host_exchange_start(&exchange, HOST_OP_SNAPSHOT, err) < 0) {
        return -1;
    }
    fields_put_string(&exchange.writer, HOST_ID, id);
    fields_put_string(&exchange.writer, HOST_SNAPSHOT_ID, snapshot_id);
    fields_put_string(&exchange.writer, HOST_TEMPLATE, template_image);
    if (host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    *ret_snapshot = (struct host_snapshot){
        .disk_bytes = host_exchange_int(&exchange, HOST_DISK_BYTES),
        .stored_bytes = host_exchange_int(&exchange, HOST_STORED_BYTES),
        .pause_us = host_exchange_int(&exchange, HOST_PAUSE_US),
    };
    host_exchange_text(&exchange, HOST_DIGEST, ret_snapshot->digest, sizeof(ret_snapshot->digest));
    return 0;
}

int host_snapshot_remove(struct hostclient *client, const char *snapshot_id, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (host_exchange_start(&exchange, HOST_OP_SNAPSHOT_REMOVE, err) < 0) {
        return -1;
    }
    fields_put_string(&exchange.writer, HOST_SNAPSHOT_ID, snapshot_id);
    return host_exchange_ask(client, &exchange, err);
}

/* Appends the ids of one reply. 0, or -1 when memory ends. */
static int append_page(const struct exchange *exchange, struct host_snapshot_id **list,
                       size_t *count)
{
    struct fields_reader reader = {exchange->reply, exchange->reply_length, 0};
    struct field field;
    while (fields_next(&reader, &field) == 1) {
        struct host_snapshot_id item;
        if (field.tag != HOST_SNAPSHOT_ID || !field_text(&field, item.id, sizeof(item.id))) {
            continue;
        }
        void *larger = reallocarray(*list, *count + 1, sizeof(**list));
        if (!larger) {
            return -1;
        }
        *list = larger;
        (*list)[(*count)++] = item;
    }
    return 0;
}

/* One page behind the last. Returns 1 when there is more, 0 at the end, -1. */
static int list_page(struct hostclient *client, struct host_snapshot_id **list, size_t *count,
                     struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    size_t before = *count;
    if (host_exchange_start(&exchange, HOST_OP_SNAPSHOT_LIST, err) < 0) {
        return -1;
    }
    if (before > 0) {
        fields_put_string(&exchange.writer, HOST_AFTER, (*list)[before - 1].id);
    }
    if (host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    if (append_page(&exchange, list, count) < 0) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list snapshots");
    }
    return host_exchange_int(&exchange, HOST_MORE) == 1 && *count > before;
}

int host_snapshot_list(struct hostclient *client, struct host_snapshot_id **ret_ids,
                       size_t *ret_count, struct error *err)
{
    auto_free struct host_snapshot_id *list = NULL;
    size_t count = 0;
    int more;
    while ((more = list_page(client, &list, &count, err)) == 1) {
    }
    if (more < 0) {
        return -1;
    }
    *ret_ids = take_pointer(&list);
    *ret_count = count;
    return 0;
}
