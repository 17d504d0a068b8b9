#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/vm/layers.h"
#include "engine/vm/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int64_t machine_oom_kills(const struct machine *machine)
{
    struct cgroup_usage usage = {0};
    cgroup_usage(&machine->engine->cgroups, machine->cgroup, &usage);
    return usage.oom_kills < 0 ? 0 : usage.oom_kills;
}

static int64_t interface_bytes(const struct machine *machine, const char *counter)
{
    char path[96];
    auto_free char *text = NULL;
    snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", machine->interface, counter);
    return machine->network && read_file_at(AT_FDCWD, path, 64, &text) > 0 ? strtoll(text, NULL, 10)
                                                                           : 0;
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
    struct cgroup_usage usage = {0};
    cgroup_usage(&engine->cgroups, machine->cgroup, &usage);
    *ret_usage = (struct engine_usage){
        .cpu_us = usage.cpu_us,
        .memory_bytes = usage.memory_bytes,
        .memory_peak_bytes = usage.memory_peak_bytes,
        .process_count = usage.process_count,
        .oom_kills = usage.oom_kills,
        .disk_used_bytes = disk_used_bytes(machine),
        /* What the host's end sends is what the sandbox receives. */
        .net_rx_bytes = interface_bytes(machine, "tx_bytes"),
        .net_tx_bytes = interface_bytes(machine, "rx_bytes"),
    };
    return 0;
}

struct sandbox_list {
    struct engine_sandbox *items;
    size_t count, capacity;
};

static int append(struct sandbox_list *list, const struct engine_sandbox *item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        void *items = reallocarray(list->items, capacity, sizeof(*list->items));
        if (!items) {
            return -1;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *item;
    return 0;
}

static int append_running(const struct engine *engine, struct sandbox_list *list)
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
        if (append(list, &item) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Whether the files of a sandbox are, or are about to be, all that is left of it. */
static bool is_kept(const struct engine *engine, const char *id)
{
    const struct machine *machine = machine_find(engine, id);
    return machine ? machine->state == MACHINE_ENDING && !machine->discard
                   : !vm_pending_find(engine, id);
}

static int append_kept(const struct engine *engine, struct sandbox_list *list)
{
    DIR *directory = opendir(engine->sandboxes_path);
    const struct dirent *entry;
    int failed = 0;
    while (directory && !failed && (entry = readdir(directory))) {
        struct engine_sandbox item = {.state = ENGINE_STATE_STOPPED};
        char saved[VM_PATH_SIZE];
        if (!id_valid("sbx_", entry->d_name) || !is_kept(engine, entry->d_name)) {
            continue;
        }
        snprintf(item.id, sizeof(item.id), "%.*s", (int)sizeof(item.id) - 1, entry->d_name);
        snprintf(saved, sizeof(saved), "%s/%s/" VM_SAVED_NAME, engine->sandboxes_path, item.id);
        item.state = directory_exists(saved) ? ENGINE_STATE_SUSPENDED : ENGINE_STATE_STOPPED;
        failed = append(list, &item);
    }
    if (directory) {
        closedir(directory);
    }
    return failed;
}

static int compare(const void *left, const void *right)
{
    const struct engine_sandbox *a = left, *b = right;
    return strcmp(a->id, b->id);
}

int vm_list(struct engine *engine, struct engine_sandbox **ret_list, size_t *ret_count,
            struct error *err)
{
    struct sandbox_list list = {0};
    if (append_running(engine, &list) < 0 || append_kept(engine, &list) < 0) {
        free(list.items);
        return error_set(err, ERR_INTERNAL, ENOMEM, "list sandboxes");
    }
    if (list.count > 0) {
        qsort(list.items, list.count, sizeof(*list.items), compare);
    }
    *ret_list = list.items;
    *ret_count = list.count;
    return 0;
}
