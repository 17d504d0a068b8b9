#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "engine/listing.h"
#include "engine/slot_usage.h"
#include "engine/vm/layers.h"
#include "engine/vm/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int64_t machine_oom_kills(const struct machine *machine)
{
    return slot_usage_oom_kills(&machine->engine->cgroups, machine->cgroup);
}

/* What the sandbox's own layers take: not the template's, nor what booting it wrote. */
static int64_t disk_used_bytes(const struct machine *machine)
{
    struct error ignored;
    struct vm_layers layers;
    struct stat info;
    int64_t bytes = 0;
    auto_close int directory =
        open(machine->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0 || vm_layers_read(directory, &layers, &ignored) < 0) {
        return 0;
    }
    for (int i = 0; i < layers.count; i++) {
        const char *name = layers.at[i].name;
        if (strcmp(name, VM_LAYER_BASE) != 0 && strcmp(name, VM_LAYER_SEED) != 0 &&
            fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
            bytes += (int64_t)info.st_blocks * 512;
        }
    }
    return bytes;
}

int vm_usage(struct engine *engine, const char *id, struct engine_usage *ret_usage,
             struct error *err)
{
    char path[VM_PATH_SIZE];
    const struct machine *machine = machine_find(engine, id);
    if (!machine || !machine_alive(machine)) {
        bool kept = machine || directory_exists(sandbox_directory(engine, id, path));
        return error_set(err, kept ? ERR_NOT_RUNNING : ERR_NOT_FOUND, 0, "sandbox %s does not run",
                         id);
    }
    *ret_usage = slot_usage_read(&engine->cgroups, machine->cgroup,
                                 machine->network ? machine->interface : NULL);
    ret_usage->disk_used_bytes = disk_used_bytes(machine);
    return 0;
}

static void append_running(const struct engine *engine, struct sandbox_list *list)
{
    for (int i = 0; i < SLOTS_VM; i++) {
        const struct machine *machine = engine->machines[i];
        if (!machine || !machine_alive(machine)) {
            continue;
        }
        struct engine_sandbox item = {.state = ENGINE_STATE_RUNNING,
                                      .oom_kills = machine_oom_kills(machine)};
        memcpy(item.id, machine->plan.id, sizeof(item.id));
        memcpy(item.agent_socket, machine->agent_socket, sizeof(item.agent_socket));
        sandbox_list_add(list, &item);
    }
}

/* Whether the files of a sandbox are, or are about to be, all that is left of it. */
static bool is_kept(const struct engine *engine, const char *id)
{
    const struct machine *machine = machine_find(engine, id);
    return machine ? machine->state == MACHINE_ENDING && !machine->discard
                   : !vm_pending_find(engine, id);
}

static void append_kept(const struct engine *engine, struct sandbox_list *list)
{
    DIR *directory = opendir(engine->sandboxes_path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        struct engine_sandbox item = {.state = ENGINE_STATE_STOPPED};
        char saved[VM_PATH_SIZE];
        if (!id_valid("sbx_", entry->d_name) || !is_kept(engine, entry->d_name)) {
            continue;
        }
        snprintf(item.id, sizeof(item.id), "%.*s", (int)sizeof(item.id) - 1, entry->d_name);
        snprintf(saved, sizeof(saved), "%s/%s/" VM_SAVED_NAME, engine->sandboxes_path, item.id);
        item.state = directory_exists(saved) ? ENGINE_STATE_SUSPENDED : ENGINE_STATE_STOPPED;
        sandbox_list_add(list, &item);
    }
    if (directory) {
        closedir(directory);
    }
}

int vm_list(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
            struct error *err)
{
    struct sandbox_list list = {0};
    append_running(engine, &list);
    append_kept(engine, &list);
    return sandbox_list_finish(&list, ret_list, ret_count, err);
}
