#include "engine/container/warm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char isolation[] =
    "Linux namespaces with an own user id range, cgroup limits, seccomp and dropped capabilities "
    "on the host's kernel";

/* It asks that the user namespace of what it saves owns all others; here the host's root does. */
static const char memory_problem[] =
    "CRIU cannot save processes that are confined as containers are here: their namespaces "
    "belong to the host, not to them; pausing keeps them in memory";

static int make_directory(const char *path, mode_t mode, gid_t group, struct error *err)
{
    if ((mkdir(path, mode) < 0 && errno != EEXIST) || chown(path, 0, group) < 0 ||
        chmod(path, mode) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "make %s", path);
    }
    return 0;
}

static int make_directories(struct engine *engine, struct error *err)
{
    const struct settings *settings = engine->context.settings;
    enum { LONGEST_SOCKET_NAME = sizeof("/2047-4294967295") };
    settings_path(settings, "disks", engine->disks_path, CONTAINER_PATH_SIZE);
    settings_path(settings, "snapshots", engine->snapshots_path, CONTAINER_PATH_SIZE);
    settings_path(settings, "run/agent", engine->agent_path, CONTAINER_PATH_SIZE);
    settings_path(settings, "run/stage", engine->stage_path, CONTAINER_PATH_SIZE);
    settings_path(settings, "images", engine->images_path, CONTAINER_PATH_SIZE);
    if (settings->images[0]) {
        snprintf(engine->images_path, CONTAINER_PATH_SIZE, "%s", settings->images);
    }
    if (strlen(engine->agent_path) + LONGEST_SOCKET_NAME > ENGINE_SOCKET_PATH_SIZE) {
        return error_set_field(err, ERR_VALIDATION, "state",
                               "the state directory's path is too long: at most %zu bytes",
                               ENGINE_SOCKET_PATH_SIZE - LONGEST_SOCKET_NAME -
                                   strlen("/run/agent"));
    }
    if (mkdir(engine->images_path, 0700) < 0 && errno != EEXIST) {
        return error_set(err, ERR_INTERNAL, errno, "make %s", engine->images_path);
    }
    return make_directory(engine->disks_path, 0700, 0, err) < 0 ||
                   make_directory(engine->snapshots_path, 0700, 0, err) < 0 ||
                   make_directory(engine->stage_path, 0700, 0, err) < 0 ||
                   make_directory(engine->agent_path, 0750, engine->context.group_id, err) < 0
               ? -1
               : 0;
}

/* As installed (beside atoll-host), or as built. */
static int open_agent_file(const struct settings *settings, struct error *err)
{
    static const char *const places[] = {"atoll-agent", "../agent/atoll-agent"};
    char program[PATH_MAX / 2] = "", path[PATH_MAX];
    if (settings->agent[0]) {
        int fd = open(settings->agent, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? error_set(err, ERR_NOT_FOUND, errno, "open %s", settings->agent) : fd;
    }
    if (readlink("/proc/self/exe", program, sizeof(program) - 1) > 0) {
        *strrchr(program, '/') = '\0';
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", program, places[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            return fd;
        }
    }
    error_set(err, ERR_NOT_FOUND, 0, "atoll-agent is not beside %s/atoll-host", program);
    return error_hint(err, "Name it with --agent or ATOLL_AGENT.");
}

/* All sandboxes run one copy in memory that nobody can write to, whatever is done to /proc/self/exe. */
static int seal_agent(struct engine *engine, struct error *err)
{
    auto_close int file = open_agent_file(engine->context.settings, err);
    struct stat info;
    if (file < 0) {
        return -1;
    }
    auto_close int copy =
        memfd_create("atoll-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x0010U /* MFD_EXEC */);
    if (copy < 0 && errno == EINVAL) { /* before Linux 6.3 all are executable */
        copy = memfd_create("atoll-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (copy < 0 || fstat(file, &info) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "copy atoll-agent");
    }
    char *text = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    int failed =
        text == MAP_FAILED || write_all(copy, text, (size_t)info.st_size) < 0 ||
        fchmod(copy, 0555) < 0 ||
        fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0;
    if (text != MAP_FAILED) {
        munmap(text, (size_t)info.st_size);
    }
    if (failed) {
        return error_set(err, ERR_INTERNAL, errno, "copy atoll-agent");
    }
    engine->agent_fd = take_fd(&copy);
    return 0;
}

/* What the host must have. */
static int probe_host(struct engine *engine, struct error *err)
{
    if (access("/dev/loop-control", F_OK) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno,
                         "the host has no loop devices (/dev/loop-control; modprobe loop)");
    }
    if (cgroup_detect(&engine->cgroups, err) < 0) {
        return -1;
    }
    cgroup_favor_changes(&engine->cgroups);
    return cgroup_make_top(&engine->cgroups, engine->cgroup_top, err) < 0 ||
                   seccomp_filter_build(&engine->filter, err) < 0 ||
                   disk_make_blank(engine, engine->spare_disk_bytes, err) < 0
               ? -1
               : 0;
}

static void free_cancelled(struct engine *engine)
{
    while (engine->cancelled) {
        struct pending_create *pending = engine->cancelled;
        engine->cancelled = pending->next;
        event_child_remove(&pending->helper);
        pending_free(pending);
    }
}

static void free_engine(struct engine *engine)
{
    if (!engine) {
        return;
    }
    event_timer_clear(engine->context.loop, &engine->refill);
    event_timer_clear(engine->context.loop, &engine->warm_timer);
    event_timer_clear(engine->context.loop, &engine->trash_timer);
    event_child_remove(&engine->trash_helper);
    snapshot_jobs_free(engine);
    free_cancelled(engine);
    seccomp_filter_free(&engine->filter);
    records_close(engine->records);
    close_fd(engine->agent_fd);
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot) { /* a sandbox that goes on without us */
            event_timer_clear(engine->context.loop, &slot->timer);
            event_source_close(engine->context.loop, &slot->socket);
            agent_call_close(&slot->agent);
            event_child_remove(&slot->process);
            event_child_remove(&slot->helper);
            close_fd(slot->disk_fd);
            free(slot);
        }
    }
    free(engine);
}

static void set_spare_sizes(struct engine *engine)
{
    const struct settings *settings = engine->context.settings;
    engine->spare_disk_bytes = settings->default_disk_mb * 1024 * 1024;
    engine->spare_limits =
        (struct cgroup_limits){.cpu_count = settings->default_cpu,
                               .memory_bytes = settings->default_memory_mb * 1024 * 1024,
                               .process_count = settings->process_limit};
}

static struct engine *container_open(const struct engine_context *context, struct error *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    struct error problem = {0};
    if (!engine) {
        error_set(err, ERR_INTERNAL, ENOMEM, "open the container engine");
        return NULL;
    }
    engine->context = *context;
    engine->agent_fd = -1;
    engine->trash_helper.source.fd = -1;
    snprintf(engine->cgroup_top, sizeof(engine->cgroup_top), "atoll-%d", context->instance);
    set_spare_sizes(engine);
    char path[CONTAINER_PATH_SIZE];
    settings_path(context->settings, "run/slots", path, sizeof(path));
    if (make_directories(engine, err) < 0 || seal_agent(engine, err) < 0 ||
        !(engine->records = records_open(path, err))) {
        free_engine(engine);
        return NULL;
    }
    if (probe_host(engine, &problem) < 0) {
        snprintf(engine->problem, sizeof(engine->problem), "%s", problem.message);
        log_error("engine.unusable", "problem=%s", engine->problem);
    }
    return engine;
}

/* Until somebody asks for another, the default template is the likely one. */
static void guess_root(struct engine *engine)
{
    struct error ignored;
    template_find(engine, "miosa-sandbox", &engine->spare_root, &ignored);
}

static void probe(const struct engine *engine, struct engine_probe *ret_probe)
{
    *ret_probe = (struct engine_probe){.name = container_engine.name,
                                       .isolation = isolation,
                                       .accel = "none",
                                       .cgroup_mode = cgroup_mode_name(engine->cgroups.mode)};
    memcpy(ret_probe->problem, engine->problem, sizeof(ret_probe->problem));
    snprintf(ret_probe->memory_problem, sizeof(ret_probe->memory_problem), "%s", memory_problem);
}

static int adopt(struct engine *engine, struct error *err)
{
    if (engine->problem[0]) {
        return 0;
    }
    if (container_adopt(engine, err) < 0) {
        return -1;
    }
    guess_root(engine);
    pool_update(engine);
    return 0;
}

/* Sandboxes that run go on without atoll-host, unless everything ends. */
static bool outlives(const struct engine *engine, const struct slot *slot)
{
    return !engine->closing_everything && slot_alive(slot);
}

void container_check_closed(struct engine *engine)
{
    if (!engine->close_call || engine->snapshots || engine->cancelled) {
        return;
    }
    for (int i = 0; i < SLOT_COUNT; i++) {
        if (engine->slots[i] && !outlives(engine, engine->slots[i])) {
            return;
        }
    }
    struct engine_call *call = engine->close_call;
    engine->close_call = NULL;
    trash_empty(engine);
    if (engine->closing_everything) {
        cgroup_remove(&engine->cgroups, engine->cgroup_top);
    }
    call_done(call, NULL);
}

static void container_close(struct engine *engine, bool everything, struct engine_call *call)
{
    struct error error;
    engine->closing = true;
    engine->closing_everything = everything;
    event_timer_clear(engine->context.loop, &engine->refill);
    event_timer_clear(engine->context.loop, &engine->warm_timer);
    error_set(&error, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
    while (engine->pending) {
        pending_finish(engine->pending, &error);
    }
    snapshot_cancel(engine, NULL);
    snapshot_checks_cancel(engine);
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot && !outlives(engine, slot)) {
            bool spare = !slot->plan.id[0] || slot->state == SLOT_CLAIMING;
            slot->error = error;
            slot_end(slot, spare || (slot->state == SLOT_STARTING && slot->record->discard_disk));
        }
    }
    engine->close_call = call;
    container_check_closed(engine);
}

const struct engine_operations container_engine = {
    .name = "container",
    .open = container_open,
    .probe = probe,
    .adopt = adopt,
    .create = container_create,
    .destroy = container_destroy,
    .has = container_has,
    .snapshot_has = container_snapshot_has,
    .pool_set = container_pool_set,
    .pool_status = container_pool_status,
    .freeze = container_freeze,
    .thaw = container_thaw,
    .snapshot = container_snapshot,
    .snapshot_remove = container_snapshot_remove,
    .snapshot_check = container_snapshot_check,
    .snapshot_list = container_snapshot_list,
    .sockets = container_sockets,
    .usage = container_usage,
    .list = container_list,
    .close = container_close,
    .free = free_engine,
};
