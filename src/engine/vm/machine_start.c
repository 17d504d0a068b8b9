#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/vm/restore.h"
#include "linux/process.h"
#include "wire/guest_network.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* From a launcher that is forked to a machine that runs, and what its end means on the way. */

enum { SEED_MAX_MS = 240 * 1000 };

void machine_fail(struct machine *machine)
{
    struct engine *engine = machine->engine;
    struct vm_pool *pool = machine->pool;
    if (machine->error.code == ERR_NONE) {
        error_set(&machine->error, ERR_ENGINE, 0, "a machine's launcher ended while it was set up");
    }
    if (machine->plan.id[0]) {
        error_prefix(&machine->error, "start sandbox %s", machine->plan.id);
    }
    struct error error = machine->error;
    log_error("machine.failed", "slot=%d error=%s", machine->slot, error.message);
    struct vm_seed *seed = machine->seed;
    machine->seed = NULL;
    machine->pool = NULL;
    if (machine->kind == LAUNCH_KEPT) {
        saved_settle(machine->directory, false);
    }
    machine_end(machine, machine->plan.id[0] && !machine->plan.keep_disk);
    if (seed) {
        seed_done(engine, seed, &error);
    }
    if (pool) {
        vm_pool_on_failed(pool, &error);
    }
}

static void on_silence(void *owner)
{
    struct machine *machine = owner;
    error_set(&machine->error, ERR_ENGINE, 0, "it took too long");
    machine_fail(machine);
}

static void record_claim(struct machine *machine)
{
    struct record *record = machine->record;
    memcpy(record->id, machine->plan.id, sizeof(record->id));
    record->discard_disk = !machine->plan.keep_disk;
    record_set_state(record, RECORD_CREATING);
}

/* What was saved is history once the guest may have run on from it. */
static int commit_saved(const struct machine *machine, struct error *err)
{
    auto_close int directory =
        open(machine->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", machine->directory);
    }
    return faccessat(directory, VM_SAVED_NAME, F_OK, 0) == 0 ? saved_commit(directory, err) : 0;
}

static void forget_saved(const struct machine *machine)
{
    auto_close int directory =
        open(machine->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory >= 0) {
        saved_forget(directory);
    }
}

void machine_claim(struct machine *machine)
{
    const struct engine *engine = machine->engine;
    const struct engine_create *plan = &machine->plan;
    bool fork = plan->snapshot_id[0] && !plan->keep_disk;
    struct launch_claim claim = {.identity = {.address = GUEST_ADDRESS,
                                              .new_identity = machine->kind == LAUNCH_NEW || fork,
                                              .machine = true}};
    snprintf(claim.identity.hostname, sizeof(claim.identity.hostname), "%s", plan->hostname);
    claim.identity.process_limit = plan->process_limit;
    if (machine->network) {
        resolvers_join(&engine->context.resolvers, ",", claim.identity.resolvers,
                       sizeof(claim.identity.resolvers));
    }
    record_claim(machine);
    machine_move(machine, MACHINE_STARTING);
    FAULT_POINT("host.vm.create.recorded");
    if (send(machine->socket.fd, &claim, sizeof(claim), MSG_NOSIGNAL) != (ssize_t)sizeof(claim)) {
        machine_fail(machine);
        return;
    }
    FAULT_POINT("host.vm.create.claimed");
    machine->timer.on_due = on_silence;
    event_timer_set(engine->context.loop, &machine->timer, VM_START_MAX_MS);
}

/* Its directory becomes the sandbox's, in place of an earlier one if there is one. */
static int install(struct machine *machine, struct error *err)
{
    char path[VM_PATH_SIZE];
    sandbox_directory(machine->engine, machine->plan.id, path);
    if (machine->kind != LAUNCH_KEPT) {
        bool replaces = directory_exists(path);
        if (renameat2(AT_FDCWD, machine->directory, AT_FDCWD, path,
                      replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0) {
            return error_set(err, ERR_ENGINE, errno, "name %s", path);
        }
        FAULT_POINT("host.vm.create.named");
        if (replaces) {
            trash_directory(machine->engine, machine->directory);
        }
        snprintf(machine->directory, sizeof(machine->directory), "%s", path);
    }
    machine->installed = true;
    return 0;
}

static const char *boot_path(const struct machine *machine)
{
    if (machine->cold || (machine->kind != LAUNCH_NEW && !machine->resumed)) {
        return "cold";
    }
    return machine->parked_us <= machine->started_us ? "warm" : "snapshot";
}

static void started(struct machine *machine)
{
    struct engine_call *call = machine->call;
    event_timer_clear(machine->engine->context.loop, &machine->timer);
    event_source_close(machine->engine->context.loop, &machine->socket);
    FAULT_POINT("host.vm.create.executed");
    if (install(machine, &machine->error) < 0 ||
        (machine->kind != LAUNCH_NEW && commit_saved(machine, &machine->error) < 0)) {
        machine_fail(machine);
        return;
    }
    machine_move(machine, MACHINE_RUNNING);
    record_set_state(machine->record, RECORD_RUNNING);
    FAULT_POINT("host.vm.create.running");
    if (machine->kind != LAUNCH_NEW) {
        forget_saved(machine);
    }
    machine->call = NULL;
    call->created.boot_us = clock_monotonic_us() - machine->started_us;
    call->created.resumed = machine->resumed;
    snprintf(call->created.agent_socket, sizeof(call->created.agent_socket), "%s",
             machine->agent_socket);
    snprintf(call->created.boot_path, sizeof(call->created.boot_path), "%s", boot_path(machine));
    struct engine *engine = machine->engine;
    call_done(call, NULL);
    vm_pool_update(engine);
}

static void parked(struct machine *machine, const struct launch_message *message)
{
    event_timer_clear(machine->engine->context.loop, &machine->timer);
    machine->resumed = message->resumed;
    if (message->not_resumed[0]) {
        log_warn("machine.not_resumed", "id=%s reason=%.*s", machine->plan.id,
                 (int)sizeof(message->not_resumed), message->not_resumed);
    }
    machine_move(machine, MACHINE_PARKED);
    machine->parked_us = clock_monotonic_us();
    FAULT_POINT("host.vm.create.parked");
    if (machine->call) {
        machine_claim(machine);
    } else {
        vm_pool_on_parked(machine);
    }
}

static void on_message(struct machine *machine, const struct launch_message *message)
{
    machine->qemu_pid = machine->record->child_pid = message->qemu_pid;
    if (message->kind == LAUNCH_PARKED && machine->state == MACHINE_PREPARING) {
        parked(machine, message);
    } else if (message->kind == LAUNCH_RUNNING && machine->state == MACHINE_STARTING) {
        started(machine);
    } else if (message->kind == LAUNCH_SEEDED && machine->seed) {
        struct engine *engine = machine->engine;
        struct vm_seed *seed = machine->seed;
        machine->seed = NULL;
        machine_end(machine, false);
        seed_done(engine, seed, NULL);
    } else {
        machine->error = message->error;
        machine_fail(machine);
    }
}

static void on_socket(void *owner, uint32_t events)
{
    struct machine *machine = owner;
    struct launch_message message;
    (void)events;
    ssize_t got = recv(machine->socket.fd, &message, sizeof(message), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got == (ssize_t)sizeof(message)) {
        on_message(machine, &message);
    } else {
        machine_fail(machine);
    }
}

int machine_launch(struct machine *machine, struct error *err)
{
    struct event_loop *loop = machine->engine->context.loop;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "make a socket pair");
    }
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        launch_run(machine->engine, machine, pair[1]);
    }
    close_fd(pair[1]);
    if (pid < 0 ||
        event_source_add(loop, &machine->socket, pair[0], EPOLLIN, on_socket, machine) < 0) {
        error_set(err, ERR_INTERNAL, errno, "start a machine's launcher");
        close_fd(pair[0]); /* which ends the process, if there is one */
        return -1;
    }
    machine->timer.on_due = on_silence;
    event_timer_set(loop, &machine->timer,
                    machine->kind == LAUNCH_SEED ? SEED_MAX_MS : VM_START_MAX_MS);
    if (process_start_time(pid, &machine->record->pid_start_ticks) < 0 ||
        event_child_add(loop, &machine->process, pid, machine_on_exit, machine) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "watch process %d", pid);
    }
    machine->record->pid = pid;
    FAULT_POINT("host.vm.slot.launched");
    return 0;
}

static void report_end(struct machine *machine, int wait_status)
{
    struct engine_ended ended = {.oom_kills = machine_oom_kills(machine)};
    machine_describe_end(machine, wait_status, &ended);
    log_warn("sandbox.ended", "id=%s oom_kills=%lld reason=%s", ended.id,
             (long long)ended.oom_kills, ended.reason);
    machine->engine->context.on_ended(machine->engine->context.owner, &ended);
}

/* A stop or a suspension has told QEMU to quit, and has more to do. */
static bool ended_by_job(const struct machine *machine)
{
    char path[VM_PATH_SIZE + 16];
    snprintf(path, sizeof(path), "%s/" VM_SAVED_NAME, machine->directory);
    return machine->state == MACHINE_SAVING && (machine->asked || directory_exists(path));
}

void machine_on_exit(void *owner, int wait_status)
{
    struct machine *machine = owner;
    if (machine->state == MACHINE_ENDING) {
        machine_clean(machine);
    } else if (ended_by_job(machine)) {
        log_debug("machine.quit", "id=%s", machine->plan.id); /* the job's end is the machine's */
    } else if (!machine_alive(machine)) {
        on_socket(machine, 0); /* what it said last, or the end of the connection */
    } else {
        if (!machine->asked) {
            report_end(machine, wait_status);
        }
        machine_end(machine, false);
    }
}
