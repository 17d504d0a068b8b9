#include "hostd/engines.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for more items at the end of a growing array. 0, or -1 with err. */
static int extend(void **items, size_t count, size_t more, size_t item_bytes, struct error *err)
{
    /* One more than needed: an empty list is not NULL. */
    void *larger = reallocarray(*items, count + more + 1, item_bytes);
    if (!larger) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list what the engines have");
    }
    *items = larger;
    return 0;
}

static int append_sandboxes(const struct engine_entry *entry, void **items, size_t *count,
                            struct error *err)
{
    auto_free struct engine_sandbox *own = NULL;
    size_t own_count;
    if (entry->operations->list(entry->engine, &own, &own_count, err) < 0 ||
        extend(items, *count, own_count, sizeof(struct listed_sandbox), err) < 0) {
        return -1;
    }
    struct listed_sandbox *list = *items;
    for (size_t i = 0; i < own_count; i++) {
        list[(*count)++] =
            (struct listed_sandbox){.engine = entry->operations->name, .sandbox = own[i]};
    }
    return 0;
}

static int append_snapshots(const struct engine_entry *entry, void **items, size_t *count,
                            struct error *err)
{
    auto_free char(*own)[ID_SIZE] = NULL;
    size_t own_count;
    if (entry->operations->snapshot_list(entry->engine, &own, &own_count, err) < 0 ||
        extend(items, *count, own_count, ID_SIZE, err) < 0) {
        return -1;
    }
    if (own_count > 0) {
        memcpy((char(*)[ID_SIZE]) * items + *count, own, own_count * ID_SIZE);
    }
    *count += own_count;
    return 0;
}

/* Everything that append finds, sorted. */
static int merge(const struct engines *engines,
                 int (*append)(const struct engine_entry *entry, void **items, size_t *count,
                               struct error *err),
                 size_t item_bytes, int (*compare)(const void *left, const void *right),
                 void **ret_items, size_t *ret_count, struct error *err)
{
    auto_free void *items = NULL;
    size_t count = 0;
    for (size_t i = 0; i < engines->count; i++) {
        if (append(&engines->entries[i], &items, &count, err) < 0) {
            return -1;
        }
    }
    if (count > 1) {
        qsort(items, count, item_bytes, compare);
    }
    *ret_items = take_pointer(&items);
    *ret_count = count;
    return 0;
}

static int compare_sandboxes(const void *left, const void *right)
{
    const struct listed_sandbox *a = left, *b = right;
    return strcmp(a->sandbox.id, b->sandbox.id);
}

static int compare_ids(const void *left, const void *right)
{
    return strcmp(left, right);
}

int engines_list(struct engines *engines, struct listed_sandbox **ret_list, size_t *ret_count,
                 struct error *err)
{
    void *items;
    if (merge(engines, append_sandboxes, sizeof(**ret_list), compare_sandboxes, &items, ret_count,
              err) < 0) {
        return -1;
    }
    *ret_list = items;
    return 0;
}

int engines_snapshot_list(struct engines *engines, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                          struct error *err)
{
    void *items;
    if (merge(engines, append_snapshots, ID_SIZE, compare_ids, &items, ret_count, err) < 0) {
        return -1;
    }
    *ret_ids = items;
    return 0;
}
