#include "sandbox/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct host_engine *find(const struct host_info *info, const char *name)
{
    for (size_t i = 0; i < info->engine_count; i++) {
        if (strcmp(info->engines[i].name, name) == 0) {
            return &info->engines[i];
        }
    }
    return NULL;
}

static bool is_accelerated(const struct host_engine *vm)
{
    return vm && !vm->problem[0] && strcmp(vm->accel, "kvm") == 0;
}

int sandboxes_choose_engine(struct sandboxes *sandboxes, const char *wanted, char engine[16],
                            struct error *err)
{
    int result = 0;
    pthread_mutex_lock(&sandboxes->host_mutex);
    const struct host_info *info = &sandboxes->host_info;
    if (strcmp(wanted, "auto") == 0) {
        wanted = is_accelerated(find(info, "vm")) ? "vm" : "container";
    }
    const struct host_engine *found = find(info, wanted);
    if (!found || found->problem[0]) {
        result = error_set_field(err, ERR_ENGINE_UNAVAILABLE, "engine",
                                 "this host has no engine '%.15s': %s", wanted,
                                 found ? found->problem : "its atoll-host knows none of that name");
    }
    pthread_mutex_unlock(&sandboxes->host_mutex);
    snprintf(engine, 16, "%s", wanted);
    return result;
}

const char *sandbox_engine_name(enum sandbox_engine engine)
{
    static const char *const names[] = {[SANDBOX_CONTAINER] = "container", [SANDBOX_VM] = "vm"};
    assert((unsigned)engine < SANDBOX_ENGINE_COUNT);
    return names[engine];
}

const char *sandbox_boot_name(enum sandbox_boot boot)
{
    static const char *const names[] = {[SANDBOX_BOOT_COLD] = "cold",
                                        [SANDBOX_BOOT_WARM] = "warm",
                                        [SANDBOX_BOOT_SNAPSHOT] = "snapshot"};
    assert((unsigned)boot < SANDBOX_BOOT_COUNT);
    return names[boot];
}

enum sandbox_engine engine_of(const struct sandbox_record *record)
{
    return strcmp(record->engine, "vm") == 0 ? SANDBOX_VM : SANDBOX_CONTAINER;
}

void engine_count_start(struct sandboxes *sandboxes, const struct sandbox_record *record)
{
    for (enum sandbox_boot boot = 0; boot < SANDBOX_BOOT_COUNT; boot++) {
        if (strcmp(record->boot_path, sandbox_boot_name(boot)) == 0) {
            atomic_fetch_add(&sandboxes->starts_total[engine_of(record)][boot], 1);
        }
    }
}

bool engine_saves_memory(struct sandboxes *sandboxes, const char *engine)
{
    pthread_mutex_lock(&sandboxes->host_mutex);
    const struct host_engine *found = find(&sandboxes->host_info, engine);
    bool saves = found && found->memory_snapshots;
    pthread_mutex_unlock(&sandboxes->host_mutex);
    return saves;
}

void engine_describe(struct sandboxes *sandboxes, struct sandbox_record *record)
{
    pthread_mutex_lock(&sandboxes->host_mutex);
    const struct host_engine *found = find(&sandboxes->host_info, record->engine);
    if (found) {
        snprintf(record->isolation, sizeof(record->isolation), "%s", found->isolation);
    }
    pthread_mutex_unlock(&sandboxes->host_mutex);
}
