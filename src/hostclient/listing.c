#include "hostclient/listing.h"

#include "base/cleanup.h"
#include "hostclient/exchange.h"

#include <errno.h>
#include <stdlib.h>

struct items {
    char *data;
    size_t count;
};

static char *item_at(const struct host_listing *listing, const struct items *items, size_t index)
{
    return items->data + index * listing->item_bytes;
}

/* Appends the items of one reply. 0, or -1 when memory ends. */
static int append_page(const struct host_listing *listing, const struct exchange *exchange,
                       struct items *items)
{
    struct fields_reader reader = {exchange->reply, exchange->reply_length, 0};
    struct field field;
    while (fields_next(&reader, &field) == 1) {
        if (field.tag != listing->tag) {
            continue;
        }
        char *larger = reallocarray(items->data, items->count + 1, listing->item_bytes);
        if (!larger) {
            return -1;
        }
        items->data = larger;
        items->count += listing->read(&field, item_at(listing, items, items->count));
    }
    return 0;
}

/* One page behind the last item. Returns 1 when there is more, 0 at the end, -1. */
static int read_page(struct hostclient *client, const struct host_listing *listing,
                     struct items *items, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    size_t before = items->count;
    if (host_exchange_start(&exchange, listing->operation, err) < 0) {
        return -1;
    }
    if (before > 0) {
        fields_put_string(&exchange.writer, HOST_AFTER, item_at(listing, items, before - 1));
    }
    if (host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    if (append_page(listing, &exchange, items) < 0) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list %s", listing->what);
    }
    return host_exchange_int(&exchange, HOST_MORE) == 1 && items->count > before;
}

int host_listing_read(struct hostclient *client, const struct host_listing *listing,
                      void **ret_items, size_t *ret_count, struct error *err)
{
    struct items items = {0};
    int more;
    while ((more = read_page(client, listing, &items, err)) == 1) {
    }
    if (more < 0) {
        free(items.data);
        return -1;
    }
    *ret_items = items.data;
    *ret_count = items.count;
    return 0;
}
