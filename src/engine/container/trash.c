#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "linux/loop_device.h"
#include "linux/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/*
 * Freeing the blocks of an image can take the host's file system a tenth of a second, so nobody waits
 * for it. A discarded image is renamed: "trash-…" while its loop device may still hold it (the last
 * user of an unlinked file would free it, and that is a dying sandbox), then "dead-…". A helper
 * removes the dead.
 */

enum { COLLECT_DELAY_MS = 20 };

static const char dead_prefix[] = "dead-";

static void move(const struct engine *engine, const char *from, const char *to)
{
    char old_path[CONTAINER_PATH_SIZE], new_path[CONTAINER_PATH_SIZE];
    rename(disk_path(engine, from, old_path), disk_path(engine, to, new_path));
}

static char *slot_trash(const struct slot *slot, char name[ID_SIZE])
{
    snprintf(name, ID_SIZE, "trash-%d", slot->index);
    return name;
}

static char *dead_name(struct engine *engine, char name[ID_SIZE])
{
    snprintf(name, ID_SIZE, "%s%u", dead_prefix, records_next_generation(engine->records));
    return name;
}

static int remove_dead(const struct engine *engine)
{
    DIR *directory = opendir(engine->disks_path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, dead_prefix, strlen(dead_prefix)) == 0) {
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    snapshots_remove_dead(engine);
    return directory ? closedir(directory) : -1;
}

static void on_collected(void *owner, int wait_status)
{
    struct engine *engine = owner;
    (void)wait_status;
    if (engine->trash_waits) {
        trash_collect(engine);
    }
}

static void on_due(void *owner)
{
    struct engine *engine = owner;
    if (engine->trash_helper.source.fd >= 0) {
        engine->trash_waits = true;
        return;
    }
    engine->trash_waits = false;
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        _exit(remove_dead(engine) < 0);
    }
    if (pid > 0) {
        event_child_add(engine->context.loop, &engine->trash_helper, pid, on_collected, engine);
    }
}

void trash_collect(struct engine *engine)
{
    engine->trash_timer.on_due = on_due;
    engine->trash_timer.owner = engine;
    if (!engine->trash_timer.armed) {
        event_timer_set(engine->context.loop, &engine->trash_timer, COLLECT_DELAY_MS);
    }
}

void trash_empty(struct engine *engine)
{
    event_timer_clear(engine->context.loop, &engine->trash_timer);
    event_child_remove(&engine->trash_helper);
    remove_dead(engine);
}

void trash_file(struct engine *engine, const char *path)
{
    char name[ID_SIZE], dead[CONTAINER_PATH_SIZE];
    rename(path, disk_path(engine, dead_name(engine, name), dead));
    trash_collect(engine);
}

void trash_disk(struct engine *engine, const char *id)
{
    char path[CONTAINER_PATH_SIZE];
    trash_file(engine, disk_path(engine, id, path));
}

void trash_slot_disk(const struct slot *slot, const char *id)
{
    char name[ID_SIZE];
    move(slot->engine, id, slot_trash(slot, name));
}

void trash_release_slot_disk(struct slot *slot)
{
    char name[ID_SIZE], dead[ID_SIZE];
    move(slot->engine, slot_trash(slot, name), dead_name(slot->engine, dead));
    trash_collect(slot->engine);
}

bool trash_holds_slot_disk(const struct slot *slot)
{
    char name[ID_SIZE], path[CONTAINER_PATH_SIZE];
    return slot->record->loop_number >= 0 &&
           loop_holds(slot->record->loop_number,
                      disk_path(slot->engine, slot_trash(slot, name), path));
}
