#include "hostclient/exchange.h"
#include "hostclient/listing.h"

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
        .memory_bytes = host_exchange_int(&exchange, HOST_MEMORY_BYTES),
        .pause_us = host_exchange_int(&exchange, HOST_PAUSE_US),
    };
    host_exchange_text(&exchange, HOST_DIGEST, ret_snapshot->digest, sizeof(ret_snapshot->digest));
    return 0;
}

int host_snapshot_check(struct hostclient *client, const char *snapshot_id, const char *digest,
                        const char *template_image, char memory_problem[200], struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (host_exchange_start(&exchange, HOST_OP_SNAPSHOT_CHECK, err) < 0) {
        return -1;
    }
    fields_put_string(&exchange.writer, HOST_SNAPSHOT_ID, snapshot_id);
    fields_put_string(&exchange.writer, HOST_DIGEST, digest ? digest : "");
    fields_put_string(&exchange.writer, HOST_TEMPLATE, template_image);
    if (host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    host_exchange_text(&exchange, HOST_REASON, memory_problem, 200);
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

static bool read_id(const struct field *field, void *ret_item)
{
    struct host_snapshot_id *item = ret_item;
    return field_text(field, item->id, sizeof(item->id));
}

int host_snapshot_list(struct hostclient *client, struct host_snapshot_id **ret_ids,
                       size_t *ret_count, struct error *err)
{
    static const struct host_listing listing = {.operation = HOST_OP_SNAPSHOT_LIST,
                                                .tag = HOST_SNAPSHOT_ID,
                                                .item_bytes = sizeof(**ret_ids),
                                                .read = read_id,
                                                .what = "snapshots"};
    void *items;
    if (host_listing_read(client, &listing, &items, ret_count, err) < 0) {
        return -1;
    }
    *ret_ids = items;
    return 0;
}
