#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under emulation a boot now and then hangs. */
enum { ATTEMPTS_MAX = 3 };

char *seed_directory(const struct engine *engine, const char *key, char path[VM_PATH_SIZE])
{
    snprintf(path, VM_PATH_SIZE, "%s/%s", engine->seeds_path, key);
    return path;
}

bool seed_exists(const struct engine *engine, const char *key)
{
    char path[VM_PATH_SIZE];
    return directory_exists(seed_directory(engine, key, path));
}

static int start(struct engine *engine, struct vm_seed *seed, struct error *err)
{
    struct machine *machine = machine_new(engine, LAUNCH_SEED, &seed->shape, false, err);
    if (!machine) {
        return -1;
    }
    machine->seed = seed;
    seed->attempts++;
    seed_directory(engine, seed->key, machine->seed_directory);
    /* Beside its later place, for the rename; the instance's number keeps two hosts apart. */
    snprintf(machine->directory, sizeof(machine->directory), "%s/%.32s.%d-%d.tmp",
             engine->seeds_path, seed->key, engine->context.instance, machine->slot);
    log_info("seed.started", "key=%s image=%s memory_mb=%lld attempt=%d", seed->key,
             seed->shape.template_image, (long long)(seed->shape.memory_bytes >> 20),
             seed->attempts);
    if (machine_launch(machine, err) < 0) {
        machine->seed = NULL;
        machine_fail(machine);
        return -1;
    }
    return 0;
}

static void remove_seed(struct engine *engine, struct vm_seed *seed)
{
    struct vm_seed **at = &engine->seeds;
    while (*at != seed) {
        at = &(*at)->next;
    }
    *at = seed->next;
    free(seed);
}

int seed_make(struct engine *engine, const struct vm_shape *shape, struct error *err)
{
    char key[ENGINE_DIGEST_SIZE];
    vm_shape_key(shape, key);
    for (const struct vm_seed *seed = engine->seeds; seed; seed = seed->next) {
        if (strcmp(seed->key, key) == 0) {
            return 0;
        }
    }
    struct vm_seed *seed = calloc(1, sizeof(*seed));
    if (!seed) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "make a seed");
    }
    seed->shape = *shape;
    memcpy(seed->key, key, sizeof(seed->key));
    seed->next = engine->seeds;
    engine->seeds = seed;
    if (start(engine, seed, err) < 0) {
        remove_seed(engine, seed);
        return -1;
    }
    return 0;
}

void seed_done(struct engine *engine, struct vm_seed *seed, const struct error *error)
{
    struct error again = {0};
    char key[ENGINE_DIGEST_SIZE];
    memcpy(key, seed->key, sizeof(key));
    if (error && seed->attempts < ATTEMPTS_MAX && !engine->closing &&
        start(engine, seed, &again) == 0) {
        return;
    }
    remove_seed(engine, seed);
    FAULT_POINT("host.vm.seed.done");
    if (!error) {
        log_info("seed.made", "key=%s", key);
    }
    vm_create_on_seed(engine, key, error);
    vm_pool_update(engine);
}

void seeds_free(struct engine *engine)
{
    while (engine->seeds) {
        remove_seed(engine, engine->seeds);
    }
}

/* Would a create here and now start from it? */
static bool is_current(const struct engine *engine, const char *path)
{
    struct vm_about about;
    struct vm_shape now;
    struct error ignored;
    char key[ENGINE_DIGEST_SIZE];
    auto_close int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return directory >= 0 && vm_about_read(directory, &about, &ignored) == 0 &&
           vm_shape_now(engine, about.shape.template_image, about.shape.cpu_count,
                        about.shape.memory_bytes, about.shape.disk_bytes, &now, &ignored) == 0 &&
           vm_shape_key(&now, key) == 0 && strcmp(strrchr(path, '/') + 1, key) == 0;
}

/* Was this host's own when it ended before the seed was whole? */
static bool is_own_unfinished(const struct engine *engine, const char *name)
{
    char mark[24];
    const char *dot = strchr(name, '.');
    snprintf(mark, sizeof(mark), ".%d-", engine->context.instance);
    return dot && strncmp(dot, mark, strlen(mark)) == 0;
}

void seeds_remove_old(struct engine *engine)
{
    char path[VM_PATH_SIZE + 300];
    bool shared = engine->context.settings->seeds[0];
    const struct dirent *entry;
    DIR *directory = opendir(engine->seeds_path);
    while (directory && (entry = readdir(directory))) {
        snprintf(path, sizeof(path), "%s/%s", engine->seeds_path, entry->d_name);
        if (entry->d_name[0] != '.' &&
            (shared ? is_own_unfinished(engine, entry->d_name) : !is_current(engine, path))) {
            trash_directory(engine, path);
        }
    }
    if (directory) {
        closedir(directory);
    }
}
