#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "engine/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char dead_prefix[] = "dead-";

static bool is_dead(const char *name)
{
    return strncmp(name, dead_prefix, strlen(dead_prefix)) == 0;
}

void snapshot_trash(struct engine *engine, const char *name)
{
    char from[CONTAINER_PATH_SIZE + SNAPSHOT_NAME_SIZE], to[CONTAINER_PATH_SIZE + 32];
    snprintf(from, sizeof(from), "%s/%s", engine->snapshots_path, name);
    snprintf(to, sizeof(to), "%s/%s%u", engine->snapshots_path, dead_prefix,
             records_next_generation(engine->records));
    if (rename(from, to) == 0) {
        trash_collect(engine);
    }
}

static void remove_directory(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(fd, entry->d_name, 0);
        }
    }
    if (directory) {
        closedir(directory);
    }
    unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void snapshots_remove_dead(const struct engine *engine)
{
    DIR *directory = opendir(engine->snapshots_path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (is_dead(entry->d_name)) {
            remove_directory(dirfd(directory), entry->d_name);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

void snapshots_remove_unfinished(struct engine *engine)
{
    DIR *directory = opendir(engine->snapshots_path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        const char *end = strrchr(entry->d_name, '.');
        if (end && strcmp(end, ".tmp") == 0 && strlen(entry->d_name) < SNAPSHOT_NAME_SIZE) {
            snapshot_trash(engine, entry->d_name);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

bool snapshot_exists(const struct engine *engine, const char *snapshot_id)
{
    auto_close int fd = snapshot_open_directory(engine, snapshot_id);
    return fd >= 0;
}

void container_snapshot_remove(struct engine *engine, const char *snapshot_id,
                               struct engine_call *call)
{
    snapshot_cancel(engine, snapshot_id);
    snapshot_trash(engine, snapshot_id);
    FAULT_POINT("host.snapshot.removed");
    call_done(call, NULL);
}

int container_snapshot_list(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                            struct error *err)
{
    return snapshot_ids_list(engine->snapshots_path, ret_ids, ret_count, err);
}
