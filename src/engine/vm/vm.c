#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/vm/job.h"
#include "engine/vm/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char isolation[] =
    "a virtual machine with a kernel of its own; its QEMU process is unprivileged, confined by "
    "namespaces, seccomp and cgroup limits";

/* What a supervisor does: pass bytes on, await the end of QEMU, write its last words. */
static const char *const supervisor_calls[] = {
    "accept4",
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "connect",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "exit",
    "exit_group",
    "fcntl",
    "fstat",
    "futex",
    "getpid",
    "getrandom",
    "getsockopt",
    "gettimeofday",
    "lseek",
    "madvise",
    "mmap",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "pidfd_send_signal",
    "poll",
    "ppoll",
    "prctl",
    "read",
    "recvfrom",
    "recvmsg",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "sigaltstack",
    "socket",
    "wait4",
    "waitid",
    "write",
    "writev", /* sigaltstack: sanitizers look at it */
};

static int find_host(struct engine *engine, struct error *err)
{
    if (cgroup_detect(&engine->cgroups, err) < 0 ||
        cgroup_make_top(&engine->cgroups, engine->cgroup_top, err) < 0) {
        return -1;
    }
    return access("/dev/net/tun", F_OK) < 0
               ? error_set(err, ERR_HOST_UNSUPPORTED, errno,
                           "the host has no TAP devices (/dev/net/tun; modprobe tun)")
           : facts_find(engine, err) < 0
               ? -1
               : seccomp_filter_build_only(supervisor_calls,
                                           sizeof(supervisor_calls) / sizeof(supervisor_calls[0]),
                                           &engine->filter, err);
}

static void free_machines(struct engine *engine)
{
    for (int i = 0; i < SLOTS_VM; i++) {
        struct machine *machine = engine->machines[i];
        if (machine) { /* a sandbox that goes on without us */
            event_timer_clear(engine->context.loop, &machine->timer);
            event_source_close(engine->context.loop, &machine->socket);
            event_child_remove(&machine->process);
            free(machine);
        }
    }
}

static void vm_free(struct engine *engine)
{
    if (!engine) {
        return;
    }
    event_timer_clear(engine->context.loop, &engine->look);
    event_child_remove(&engine->trash_helper);
    free_machines(engine);
    seeds_free(engine);
    vm_pools_free(engine);
    seccomp_filter_free(&engine->filter);
    vm_known_free(engine->known);
    records_close(engine->records);
    free(engine);
}

static struct engine *vm_open(const struct engine_context *context, struct error *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    struct error problem = {0};
    char path[VM_PATH_SIZE];
    if (!engine) {
        error_set(err, ERR_INTERNAL, ENOMEM, "open the vm engine");
        return NULL;
    }
    engine->context = *context;
    engine->trash_helper.source.fd = -1;
    snprintf(engine->cgroup_top, sizeof(engine->cgroup_top), "atoll-%d", context->instance);
    settings_path(context->settings, "vm/records", path, sizeof(path));
    if (paths_make(engine, err) < 0 || !(engine->records = records_open(path, err)) ||
        !(engine->known = vm_known_new(err))) {
        vm_free(engine);
        return NULL;
    }
    if (find_host(engine, &problem) < 0) {
        snprintf(engine->problem, sizeof(engine->problem), "%s", problem.message);
        log_warn("engine.unusable", "engine=vm problem=%s", engine->problem);
    }
    return engine;
}

static void vm_probe_engine(const struct engine *engine, struct engine_probe *ret_probe)
{
    *ret_probe = (struct engine_probe){.name = "vm",
                                       .isolation = isolation,
                                       .cgroup_mode = cgroup_mode_name(engine->cgroups.mode),
                                       .accel = engine->facts.accel,
                                       .memory_snapshots = true};
    memcpy(ret_probe->problem, engine->problem, sizeof(ret_probe->problem));
}

static int adopt(struct engine *engine, struct error *err)
{
    if (!engine->problem[0]) {
        probe_start(engine);
    }
    return vm_adopt(engine, err);
}

static bool has(const struct engine *engine, const char *id)
{
    char path[VM_PATH_SIZE];
    return machine_find(engine, id) || vm_pending_find(engine, id) ||
           directory_exists(sandbox_directory(engine, id, path));
}

/* Sandboxes that run go on without atoll-host, unless everything ends. */
static bool outlives(const struct engine *engine, const struct machine *machine)
{
    return !engine->closing_everything && machine_alive(machine);
}

void vm_check_closed(struct engine *engine)
{
    if (!engine->close_call || engine->jobs) {
        return;
    }
    for (int i = 0; i < SLOTS_VM; i++) {
        if (engine->machines[i] && !outlives(engine, engine->machines[i])) {
            return;
        }
    }
    struct engine_call *call = engine->close_call;
    engine->close_call = NULL;
    vm_trash_empty(engine);
    if (engine->closing_everything) {
        cgroup_remove(&engine->cgroups, engine->cgroup_top);
    }
    call_done(call, NULL);
}

static void vm_close(struct engine *engine, bool everything, struct engine_call *call)
{
    struct error error;
    engine->closing = true;
    engine->closing_everything = everything;
    event_timer_clear(engine->context.loop, &engine->look);
    error_set(&error, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
    while (engine->pending) {
        vm_pending_finish(engine, engine->pending, &error);
    }
    for (struct vm_job *job = engine->jobs; job; job = job->next) {
        vm_job_cancel(job);
    }
    for (int i = 0; i < SLOTS_VM; i++) {
        struct machine *machine = engine->machines[i];
        if (machine && !outlives(engine, machine)) {
            machine->asked = true;
            machine->error = error;
            machine->seed = NULL;
            machine->pool = NULL;
            machine_end(machine, machine->state == MACHINE_STARTING && !machine->plan.keep_disk);
        }
    }
    engine->close_call = call;
    vm_check_closed(engine);
}

const struct engine_operations vm_engine = {
    .name = "vm",
    .open = vm_open,
    .probe = vm_probe_engine,
    .adopt = adopt,
    .create = vm_create,
    .destroy = vm_destroy,
    .has = has,
    .snapshot_has = vm_snapshot_has,
    .freeze = vm_freeze,
    .thaw = vm_thaw,
    .pool_set = vm_pool_set,
    .pool_status = vm_pool_status,
    .snapshot = vm_snapshot,
    .snapshot_remove = vm_snapshot_remove,
    .snapshot_check = vm_snapshot_check,
    .snapshot_list = vm_snapshot_list,
    .sockets = vm_sockets,
    .usage = vm_usage,
    .list = vm_list,
    .close = vm_close,
    .free = vm_free,
};
