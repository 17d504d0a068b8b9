#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "engine/listing.h"
#include "engine/slot_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

int64_t slot_oom_kills(const struct slot *slot)
{
    return slot_usage_oom_kills(&slot->engine->cgroups, slot->cgroup);
}

/* An adopted sandbox's disk is reached through its root; nothing below it is looked up. */
static int64_t disk_used_bytes(const struct slot *slot)
{
    char path[64];
    struct statvfs info;
    snprintf(path, sizeof(path), "/proc/%d/root", slot->record->pid);
    auto_close int root = slot->disk_fd < 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fstatvfs(slot->disk_fd < 0 ? root : slot->disk_fd, &info) < 0) {
        return 0;
    }
    return (int64_t)((info.f_blocks - info.f_bfree) * info.f_frsize);
}

int container_usage(struct engine *engine, const char *id, struct engine_usage *ret_usage,
                    struct error *err)
{
    const struct slot *slot = slot_find(engine, id);
    if (!slot || !slot_alive(slot)) {
        return error_set(err, slot || disk_exists(engine, id) ? ERR_NOT_RUNNING : ERR_NOT_FOUND, 0,
                         "sandbox %s does not run", id);
    }
    *ret_usage =
        slot_usage_read(&engine->cgroups, slot->cgroup, slot->network ? slot->interface : NULL);
    ret_usage->disk_used_bytes = disk_used_bytes(slot);
    return 0;
}

static void append_running(const struct engine *engine, struct sandbox_list *list)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        const struct slot *slot = engine->slots[i];
        if (!slot || !slot_alive(slot)) {
            continue;
        }
        bool frozen = slot->record->state == RECORD_FROZEN;
        struct engine_sandbox item = {.state = frozen ? ENGINE_STATE_FROZEN : ENGINE_STATE_RUNNING,
                                      .oom_kills = slot_oom_kills(slot)};
        memcpy(item.id, slot->plan.id, sizeof(item.id));
        memcpy(item.agent_socket, slot->agent_socket, sizeof(item.agent_socket));
        sandbox_list_add(list, &item);
    }
}

bool container_has(const struct engine *engine, const char *id)
{
    return slot_find(engine, id) || pending_has(engine, id) || disk_exists(engine, id);
}

/* Whether the files of a sandbox are, or are about to be, all that is left of it. */
static bool is_kept(struct engine *engine, const char *id)
{
    const struct slot *slot = slot_find(engine, id);
    if (slot) {
        return slot->state == SLOT_ENDING && !slot->record->discard_disk;
    }
    return !pending_has(engine, id);
}

static void append_kept(struct engine *engine, struct sandbox_list *list)
{
    static const char suffix[] = ".img";
    DIR *directory = opendir(engine->disks_path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        size_t length = strlen(entry->d_name), end = sizeof(suffix) - 1;
        struct engine_sandbox item = {.state = ENGINE_STATE_STOPPED};
        if (length <= end || length - end >= sizeof(item.id) ||
            strcmp(entry->d_name + length - end, suffix) != 0) {
            continue;
        }
        memcpy(item.id, entry->d_name, length - end);
        if (id_valid("sbx_", item.id) && is_kept(engine, item.id)) {
            sandbox_list_add(list, &item);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

int container_list(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
                   struct error *err)
{
    struct sandbox_list list = {0};
    append_running(engine, &list);
    append_kept(engine, &list);
    return sandbox_list_finish(&list, ret_list, ret_count, err);
}
