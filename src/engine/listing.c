#include "engine/listing.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void sandbox_list_add(struct sandbox_list *list, const struct engine_sandbox *item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : FIRST_CAPACITY;
        void *items = reallocarray(list->items, capacity, sizeof(*list->items));
        if (!items) {
            list->failed = true;
            return;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *item;
}

static int compare_sandboxes(const void *left, const void *right)
{
    const struct engine_sandbox *a = left, *b = right;
    return strcmp(a->id, b->id);
}

int sandbox_list_finish(struct sandbox_list *list, struct engine_sandbox **ret_list,
                        size_t *ret_count, struct error *err)
{
    if (list->failed) {
        free(list->items);
        return error_set(err, ERR_INTERNAL, ENOMEM, "list sandboxes");
    }
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof(*list->items), compare_sandboxes);
    }
    *ret_list = list->items;
    *ret_count = list->count;
    return 0;
}

static int compare_ids(const void *left, const void *right)
{
    return strcmp(left, right);
}

/* All ids, in no order. 0, or -1 errno. */
static int collect(DIR *directory, char (**ids)[ID_SIZE], size_t *count)
{
    const struct dirent *entry;
    size_t capacity = 0;
    while ((entry = readdir(directory))) {
        if (!id_valid("snp_", entry->d_name)) {
            continue;
        }
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : FIRST_CAPACITY;
            void *larger = reallocarray(*ids, capacity, ID_SIZE);
            if (!larger) {
                return -1;
            }
            *ids = larger;
        }
        snprintf((*ids)[(*count)++], ID_SIZE, "%s", entry->d_name);
    }
    return 0;
}

int snapshot_ids_list(const char *path, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                      struct error *err)
{
    auto_free char(*ids)[ID_SIZE] = NULL;
    size_t count = 0;
    DIR *directory = opendir(path);
    int failed = directory ? collect(directory, &ids, &count) : -1;
    if (directory) {
        closedir(directory);
    }
    if (failed) {
        return error_set(err, ERR_ENGINE, errno, "list the snapshots");
    }
    if (count > 0) {
        qsort(ids, count, ID_SIZE, compare_ids);
    }
    *ret_ids = take_pointer(&ids);
    *ret_count = count;
    return 0;
}
