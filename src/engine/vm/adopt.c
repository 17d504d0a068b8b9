#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/vm/restore.h"
#include "engine/vm/snapshot.h"
#include "linux/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Watches the process of a record, if it is the one that was recorded. */
static bool watch_process(struct machine *machine)
{
    const struct record *record = machine->record;
    uint64_t start_ticks;
    if (record->pid <= 0 || event_child_add(machine->engine->context.loop, &machine->process,
                                            record->pid, machine_on_exit, machine) < 0) {
        return false;
    }
    /* The descriptor holds one process: if that one started when it should, it is the right one. */
    if (process_start_time(record->pid, &start_ticks) < 0 ||
        start_ticks != record->pid_start_ticks) {
        event_child_remove(&machine->process);
        return false;
    }
    return true;
}

static bool take_over(struct machine *machine)
{
    if (!watch_process(machine)) {
        return false;
    }
    if (saved_settle(machine->directory, true)) { /* a suspension had won: only QEMU was left */
        return false;
    }
    machine->state = MACHINE_RUNNING;
    machine->qemu_pid = machine->record->child_pid;
    machine->installed = true;
    log_info("sandbox.adopted", "id=%s pid=%d", machine->plan.id, machine->record->pid);
    machine_recover(machine);
    return true;
}

/* Ends what was half made, half ended or has died. */
static void undo(struct machine *machine, bool discard)
{
    machine->state = MACHINE_PREPARING;
    if (machine->process.source.fd < 0) {
        watch_process(machine);
    }
    machine_end(machine, discard);
}

/* The sandbox's files are free at once: what is left of its machine, if anything, stands still. */
static void leave(struct machine *machine)
{
    bool suspended = saved_settle(machine->directory, true);
    log_warn("sandbox.lost", "id=%s suspended=%d", machine->plan.id, suspended);
    record_set_state(machine->record, RECORD_SPARE);
    machine->plan.id[0] = '\0';
    undo(machine, false);
}

static int adopt_record(struct engine *engine, int index, struct error *err)
{
    struct record *record = records_slot(engine->records, SLOTS_VM_FIRST + index);
    enum record_state state = record->state;
    if (state == RECORD_FREE) {
        return 0;
    }
    struct machine *machine = machine_at(engine, index);
    if (!machine) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "adopt slot %d", SLOTS_VM_FIRST + index);
    }
    machine->network = record->has_network;
    machine->asked = true; /* until it is taken over */
    machine_names(machine);
    record->id[sizeof(record->id) - 1] = '\0';
    if (state != RECORD_SPARE && id_valid("sbx_", record->id)) {
        memcpy(machine->plan.id, record->id, sizeof(machine->plan.id));
    }
    FAULT_POINT("host.vm.adopt.slot");
    if (state == RECORD_RUNNING) {
        sandbox_directory(engine, machine->plan.id, machine->directory);
        machine->kind = LAUNCH_KEPT;
        if (take_over(machine)) {
            machine->asked = false;
            return 0;
        }
        leave(machine);
        return 0;
    }
    machine->kind = LAUNCH_NEW; /* what a spare's directory is goes */
    undo(machine, state != RECORD_SPARE && record->discard_disk);
    return 0;
}

/* A group without a record: its table is gone, so nobody can know whose it was. */
static void remove_unknown_group(void *owner, int number)
{
    struct engine *engine = owner;
    int index = number - SLOTS_VM_FIRST;
    if (index < 0 || index >= SLOTS_VM || engine->machines[index]) {
        return;
    }
    struct machine *machine = machine_at(engine, index);
    if (machine) {
        machine_names(machine);
        cgroup_kill(&engine->cgroups, machine->cgroup);
        undo(machine, true);
    }
}

static bool slot_in_use(const struct engine *engine, int slot)
{
    int index = slot - SLOTS_VM_FIRST;
    return index >= 0 && index < SLOTS_VM && engine->machines[index];
}

/* Directories of machines that are nobody's. Those of slots that are still being cleaned go with these. */
static void remove_stray(struct engine *engine)
{
    DIR *directory = opendir(engine->pool_path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        char path[2 * VM_PATH_SIZE];
        int slot = -1;
        if (sscanf(entry->d_name, "%d", &slot) == 1 && !slot_in_use(engine, slot)) {
            snprintf(path, sizeof(path), "%s/%s", engine->pool_path, entry->d_name);
            trash_directory(engine, path);
        }
    }
    if (directory) {
        closedir(directory);
    }
    directory = opendir(engine->agent_path);
    while (directory && (entry = readdir(directory))) {
        int slot = -1;
        if (sscanf(entry->d_name, "%d-", &slot) == 1 && slot >= SLOTS_VM_FIRST &&
            !slot_in_use(engine, slot)) {
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

/* Those that were about to run, or just ended, when atoll-host did. */
static void settle_kept(struct engine *engine)
{
    DIR *directory = opendir(engine->sandboxes_path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        char path[VM_PATH_SIZE];
        const struct machine *machine = machine_find(engine, entry->d_name);
        bool runs = machine && machine_alive(machine);
        if (id_valid("sbx_", entry->d_name) && !runs) {
            saved_settle(sandbox_directory(engine, entry->d_name, path), false);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

int vm_adopt(struct engine *engine, struct error *err)
{
    for (int i = 0; i < SLOTS_VM; i++) {
        if (adopt_record(engine, i, err) < 0) {
            return -1;
        }
    }
    cgroup_each(&engine->cgroups, engine->cgroup_top, remove_unknown_group, engine);
    remove_stray(engine);
    settle_kept(engine);
    vm_snapshots_remove_unfinished(engine);
    seeds_remove_old(engine);
    vm_trash_collect(engine);
    FAULT_POINT("host.vm.adopt.done");
    return 0;
}
