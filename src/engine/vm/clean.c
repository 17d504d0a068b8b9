#include "engine/vm/internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/vm/job.h"
#include "linux/network.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the kernel does after the last process (cgroup, network) it does soon, unasked. */
enum { POLL_MIN_MS = 1, POLL_MAX_MS = 100, DELETE_MS = 2000, LATE_MS = 30 * 1000 };

static bool interface_gone(const struct machine *machine)
{
    char path[64];
    snprintf(path, sizeof(path), "/sys/class/net/%s", machine->interface);
    return access(path, F_OK) < 0;
}

static int delete_interface(struct vm_job *job, struct error *err)
{
    auto_netlink struct mnl_socket *connection = netlink_open(err);
    return connection ? netlink_delete(connection, job->path, err) : -1;
}

static void deleted(struct vm_job *job, const struct error *error)
{
    if (error) {
        log_warn("machine.interface", "name=%s error=%s", job->path, error->message);
    }
}

/* An open socket, of whoever has it, keeps the namespace, which has the other end. */
static void start_delete(struct machine *machine)
{
    struct error error;
    struct vm_job *job = vm_job_new(machine->engine, NULL, &error);
    machine->deleting = true;
    if (job) {
        snprintf(job->path, sizeof(job->path), "%s", machine->interface);
        job->run = delete_interface;
        job->done = deleted;
        vm_job_start(job);
    }
}

static void remove_files(struct machine *machine)
{
    char path[VM_PATH_SIZE];
    if (!machine->installed && machine->kind != LAUNCH_KEPT) {
        trash_directory(machine->engine, machine->directory);
    }
    if (machine->discard && machine->plan.id[0]) {
        trash_directory(machine->engine,
                        sandbox_directory(machine->engine, machine->plan.id, path));
    }
    unlink(machine->agent_socket);
    unlink(machine_qmp_path(machine, path));
    unlink(machine_words_path(machine, path));
}

/* Tells everybody who waits for the end: its processes are gone, and its files if they were to go. */
static void answer(struct machine *machine)
{
    struct engine_call *calls = machine->end_calls, *create = machine->call;
    machine->end_calls = NULL;
    machine->call = NULL;
    if (create) {
        call_done(create, &machine->error);
    }
    while (calls) {
        struct engine_call *call = calls;
        calls = call->next;
        call_done(call, NULL);
    }
}

static void give_back(struct machine *machine)
{
    struct engine *engine = machine->engine;
    memset(machine->record->id, 0, sizeof(machine->record->id));
    record_set_state(machine->record, RECORD_FREE);
    engine->machines[machine->slot - SLOTS_VM_FIRST] = NULL;
    free(machine);
    vm_check_closed(engine);
}

/* The id is free from here on; the slot is when the kernel is done with it. */
static void release(struct machine *machine)
{
    machine->released = true;
    remove_files(machine);
    FAULT_POINT("host.vm.destroy.removed");
    char id[ID_SIZE];
    memcpy(id, machine->plan.id, sizeof(id));
    machine->plan.id[0] = '\0';
    answer(machine);
    if (id[0]) {
        vm_create_on_released(machine->engine, id);
    }
}

static void poll_clean(void *owner)
{
    struct machine *machine = owner;
    struct engine *engine = machine->engine;
    bool cgroups_gone = cgroup_remove(&engine->cgroups, machine->cgroup) == 0;
    if (!cgroups_gone) { /* QEMU outlives its supervisor for a moment */
        cgroup_kill(&engine->cgroups, machine->cgroup);
    }
    if (!machine->released &&
        (cgroups_gone || !cgroup_is_populated(&engine->cgroups, machine->cgroup))) {
        release(machine);
    }
    if (cgroups_gone && interface_gone(machine)) {
        give_back(machine);
        return;
    }
    int64_t age_ms = clock_monotonic_ms() - machine->since_ms;
    if (cgroups_gone && age_ms > DELETE_MS && !machine->deleting) {
        start_delete(machine);
    }
    if (age_ms > LATE_MS) {
        log_warn("machine.late", "slot=%d cgroups=%d", machine->slot, !cgroups_gone);
        machine->since_ms = clock_monotonic_ms();
    }
    int64_t wait_ms = age_ms / 4 < POLL_MIN_MS ? POLL_MIN_MS : age_ms / 4;
    event_timer_set(engine->context.loop, &machine->timer,
                    wait_ms < POLL_MAX_MS ? wait_ms : POLL_MAX_MS);
}

void machine_clean(struct machine *machine)
{
    assert(machine->state == MACHINE_ENDING);
    machine->since_ms = clock_monotonic_ms();
    machine->timer.on_due = poll_clean;
    poll_clean(machine);
}
