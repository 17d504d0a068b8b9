/* Inside hostclient/: what atoll-host lists page by page, as one array. */
#ifndef ATOLL_HOSTCLIENT_LISTING_H
#define ATOLL_HOSTCLIENT_LISTING_H

#include "hostclient/hostclient.h"
#include "wire/fields.h"

#include <stdbool.h>
#include <stddef.h>

struct host_listing {
    enum host_operation operation;
    enum host_tag tag; /* of the fields that are items */
    size_t item_bytes; /* of the caller's struct, which begins with the item's id as text */
    bool (*read)(const struct field *field, void *ret_item); /* false: not an item after all */
    const char *what;                                        /* "sandboxes", for errors */
};

/* All of them, in atoll-host's order. *ret_items is the caller's to free(). 0, or -1 with err. */
int host_listing_read(struct hostclient *client, const struct host_listing *listing,
                      void **ret_items, size_t *ret_count, struct error *err);

#endif
