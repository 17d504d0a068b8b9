#include "api/snapshot_look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void snapshot_walk_free(struct snapshot_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++) {
        free(walk->items[i].path);
        free(walk->items[i].link);
    }
    free(walk->items);
    *walk = (struct snapshot_walk){0};
}

static bool grow(struct snapshot_walk *walk)
{
    size_t capacity = walk->capacity ? 2 * walk->capacity : 256;
    struct snapshot_item *items = realloc(walk->items, capacity * sizeof(*items));
    if (!items) {
        return false;
    }
    walk->items = items;
    walk->capacity = capacity;
    return true;
}

static bool is_kept(enum agent_file_type type)
{
    return type == AGENT_FILE_REGULAR || type == AGENT_FILE_DIRECTORY || type == AGENT_FILE_SYMLINK;
}

/* False without memory. */
static bool add_item(struct snapshot_walk *walk, const struct agent_stat *entry)
{
    if (walk->count == walk->capacity && !grow(walk)) {
        return false;
    }
    bool is_link = entry->type == AGENT_FILE_SYMLINK, is_file = entry->type == AGENT_FILE_REGULAR;
    struct snapshot_item item = {
        .path = strdup(entry->path),
        .link = is_link ? strdup(entry->link_target) : NULL,
        .type = entry->type,
        .mode = entry->mode,
        .uid = entry->uid,
        .gid = entry->gid,
        .size = is_file ? entry->size : 0,
        .modified_ms = entry->modified_ms,
    };
    if (!item.path || (is_link && !item.link)) {
        free(item.path);
        free(item.link);
        return false;
    }
    walk->items[walk->count++] = item;
    walk->bytes += item.size;
    walk->directories += entry->type == AGENT_FILE_DIRECTORY;
    return true;
}

static bool is_too_large(const struct snapshot_walk *walk)
{
    return walk->count > SNAPSHOT_WALK_ENTRIES_MAX ||
           walk->directories > SNAPSHOT_WALK_DIRECTORIES_MAX ||
           walk->bytes > snapshot_walk_bytes_max;
}

static bool on_entry(const struct agent_stat *entry, void *context)
{
    struct snapshot_walk *walk = context;
    if (is_kept(entry->type)) {
        walk->no_memory |= !add_item(walk, entry);
    }
    return !walk->no_memory && !is_too_large(walk);
}

static int check(const struct snapshot_walk *walk, bool truncated, struct error *err)
{
    if (walk->no_memory) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "list a snapshot's files");
    }
    if (!truncated && !is_too_large(walk)) {
        return 0;
    }
    error_set_field(err, ERR_TOO_LARGE, "path",
                    "a folder to be sent has at most %lld MiB, %d entries, %d directories and %d "
                    "entries in one directory",
                    (long long)snapshot_walk_bytes_max >> 20, SNAPSHOT_WALK_ENTRIES_MAX,
                    SNAPSHOT_WALK_DIRECTORIES_MAX, AGENT_LIST_LIMIT_MAX);
    return error_hint(err, "Ask for folders inside of it, or create a sandbox from the snapshot.");
}

int snapshot_walk(struct snapshot_look *look, const struct agent_stat *top,
                  struct snapshot_walk *walk, struct error *err)
{
    bool truncated = false;
    walk->no_memory = !add_item(walk, top);
    /* What is found is appended and walked in its turn. */
    for (size_t i = 0; i < walk->count; i++) {
        const struct snapshot_item *item = &walk->items[i];
        if (item->type != AGENT_FILE_DIRECTORY || snapshot_look_is_of_run(item->path)) {
            continue;
        }
        if (agent_list(look->view.agent_socket, item->path, 1, AGENT_LIST_LIMIT_MAX, on_entry, walk,
                       &truncated, err)) {
            return snapshot_look_failed(look, err);
        }
        if (check(walk, truncated, err)) {
            return -1;
        }
    }
    return check(walk, false, err);
}
