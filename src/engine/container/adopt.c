#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "linux/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Watches the process of a record, if it is the one that was recorded. */
static bool watch_process(struct slot *slot)
{
    const struct record *record = slot->record;
    uint64_t start_ticks;
    if (record->pid <= 0 || event_child_add(slot->engine->context.loop, &slot->process, record->pid,
                                            slot_on_process_exit, slot) < 0) {
        return false;
    }
    /* The descriptor holds one process: if that one started when it should, it is the right one. */
    if (process_start_time(record->pid, &start_ticks) < 0 ||
        start_ticks != record->pid_start_ticks) {
        event_child_remove(&slot->process);
        return false;
    }
    return true;
}

static bool take_over(struct slot *slot)
{
    struct error error;
    bool frozen = slot->record->state == RECORD_FROZEN;
    if (!watch_process(slot)) {
        log_warn("sandbox.lost", "id=%s", slot->plan.id);
        return false;
    }
    /* A freeze or thaw that was under way is undone. */
    slot->state = frozen ? SLOT_FROZEN : SLOT_RUNNING;
    if (cgroup_set_frozen(&slot->engine->cgroups, slot->cgroup, frozen, &error) < 0) {
        log_warn("sandbox.freeze", "id=%s error=%s", slot->plan.id, error.message);
    }
    log_info("sandbox.adopted", "id=%s pid=%d", slot->plan.id, slot->record->pid);
    return true;
}

/* Ends what was half made, half ended or has died. */
static void undo(struct slot *slot, bool discard)
{
    slot->state = slot->plan.id[0] ? SLOT_STARTING : SLOT_PARKED;
    if (slot->process.source.fd < 0) {
        watch_process(slot);
    }
    slot_end(slot, discard);
}

static int adopt_record(struct engine *engine, int index, struct error *err)
{
    struct record *record = records_slot(engine->records, index);
    if (record->state == RECORD_FREE) {
        return 0;
    }
    struct slot *slot = slot_new(engine, index, record->has_network);
    if (!slot) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "adopt slot %d", index);
    }
    snprintf(slot->agent_socket, sizeof(slot->agent_socket), "%s/%d-%u", engine->agent_path, index,
             record->generation);
    enum record_state state = record->state;
    record->id[sizeof(record->id) - 1] = '\0';
    if (state != RECORD_SPARE && id_valid("sbx_", record->id)) {
        memcpy(slot->plan.id, record->id, sizeof(slot->plan.id));
    }
    FAULT_POINT("host.adopt.slot");
    if (state != RECORD_RUNNING && state != RECORD_FROZEN) {
        undo(slot, state == RECORD_SPARE || record->discard_disk);
    } else if (!take_over(slot)) {
        undo(slot, false);
    }
    return 0;
}

/* A group without a record: its table is gone, so nobody can know whose it was. */
static void remove_unknown_group(void *owner, int index)
{
    struct engine *engine = owner;
    struct slot *slot =
        index < SLOT_COUNT && !engine->slots[index] ? slot_new(engine, index, false) : NULL;
    if (slot) {
        slot_end(slot, true);
    }
}

static bool socket_in_use(const struct engine *engine, const char *name)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        const struct slot *slot = engine->slots[i];
        const char *own = slot ? strrchr(slot->agent_socket, '/') : NULL;
        if (own && strcmp(own + 1, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A spare or discarded disk of no slot, or an unfinished image. */
static bool disk_is_stray(const struct engine *engine, const char *name)
{
    const char *end = strrchr(name, '.');
    int index = -1;
    if (end && strcmp(end, ".tmp") == 0) {
        return true;
    }
    if (sscanf(name, "slot-%d.img", &index) != 1 && sscanf(name, "trash-%d.img", &index) != 1) {
        return false;
    }
    return index < 0 || index >= SLOT_COUNT || !engine->slots[index];
}

static bool socket_is_stray(const struct engine *engine, const char *name)
{
    int index = -1;
    bool anothers = sscanf(name, "%d-", &index) == 1 && index >= SLOT_COUNT;
    return name[0] != '.' && !anothers && !socket_in_use(engine, name);
}

static void remove_stray(const struct engine *engine, const char *path,
                         bool (*is_stray)(const struct engine *engine, const char *name))
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (is_stray(engine, entry->d_name)) {
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

int container_adopt(struct engine *engine, struct error *err)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        if (adopt_record(engine, i, err) < 0) {
            return -1;
        }
    }
    cgroup_each(&engine->cgroups, engine->cgroup_top, remove_unknown_group, engine);
    remove_stray(engine, engine->disks_path, disk_is_stray);
    remove_stray(engine, engine->agent_path, socket_is_stray);
    snapshots_remove_unfinished(engine);
    trash_collect(engine);
    FAULT_POINT("host.adopt.done");
    return 0;
}
