#include "engine/vm/launch.h"

#include "base/clock.h"
#include "base/fault.h"
#include "linux/process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TO(state) (1u << (state))

static const unsigned transitions[MACHINE_STATE_COUNT] = {
    [MACHINE_PREPARING] = TO(MACHINE_PARKED) | TO(MACHINE_ENDING),
    [MACHINE_PARKED] = TO(MACHINE_STARTING) | TO(MACHINE_ENDING),
    [MACHINE_STARTING] = TO(MACHINE_RUNNING) | TO(MACHINE_ENDING),
    [MACHINE_RUNNING] = TO(MACHINE_SAVING) | TO(MACHINE_ENDING),
    [MACHINE_SAVING] = TO(MACHINE_RUNNING) | TO(MACHINE_ENDING),
    [MACHINE_ENDING] = 0,
};

void machine_move(struct machine *machine, enum machine_state state)
{
    assert(transitions[machine->state] & TO(state));
    machine->state = state;
}

bool machine_alive(const struct machine *machine)
{
    return machine->state == MACHINE_RUNNING || machine->state == MACHINE_SAVING;
}

struct machine *machine_find(const struct engine *engine, const char *id)
{
    for (int i = 0; i < SLOTS_VM; i++) {
        struct machine *machine = engine->machines[i];
        if (machine && machine->plan.id[0] && strcmp(machine->plan.id, id) == 0) {
            return machine;
        }
    }
    return NULL;
}

char *machine_qmp_path(const struct machine *machine, char path[ENGINE_SOCKET_PATH_SIZE])
{
    snprintf(path, ENGINE_SOCKET_PATH_SIZE, "%s/%d.qmp", machine->engine->run_path, machine->slot);
    return path;
}

char *machine_words_path(const struct machine *machine, char path[VM_PATH_SIZE])
{
    snprintf(path, VM_PATH_SIZE, "%s/%d.words", machine->engine->run_path, machine->slot);
    return path;
}

void machine_names(struct machine *machine)
{
    const struct engine *engine = machine->engine;
    snprintf(machine->cgroup, sizeof(machine->cgroup), "%s/s%d", engine->cgroup_top, machine->slot);
    slot_interface(engine->context.instance, machine->slot, machine->interface);
    snprintf(machine->agent_socket, sizeof(machine->agent_socket), "%s/%d-%u", engine->agent_path,
             machine->slot, machine->record->generation);
    snprintf(machine->directory, sizeof(machine->directory), "%s/%d", engine->pool_path,
             machine->slot);
}

struct machine *machine_at(struct engine *engine, int index)
{
    assert(!engine->machines[index]);
    struct machine *machine = calloc(1, sizeof(*machine));
    if (machine) {
        machine->engine = engine;
        machine->slot = SLOTS_VM_FIRST + index;
        machine->record = records_slot(engine->records, machine->slot);
        machine->socket.fd = machine->process.source.fd = -1;
        machine->timer.owner = machine;
        engine->machines[index] = machine;
    }
    return machine;
}

static int free_index(struct engine *engine)
{
    for (int i = 0; i < SLOTS_VM; i++) {
        int index = (engine->next_slot + i) % SLOTS_VM;
        if (!engine->machines[index]) {
            engine->next_slot = (index + 1) % SLOTS_VM;
            return index;
        }
    }
    return -1;
}

/* The record comes first: whatever happens from here on, a later start finds what to clean up. */
struct machine *machine_new(struct engine *engine, enum launch_kind kind,
                            const struct vm_shape *shape, bool network, struct error *err)
{
    int index = free_index(engine);
    if (index < 0) {
        error_set(err, ERR_CAPACITY, 0, "all %d slots of virtual machines are in use", SLOTS_VM);
        return NULL;
    }
    struct machine *machine = machine_at(engine, index);
    if (!machine) {
        error_set(err, ERR_INTERNAL, ENOMEM, "make a machine");
        return NULL;
    }
    machine->kind = kind;
    machine->shape = *shape;
    vm_shape_key(shape, machine->key);
    machine->network = network;
    machine->prepared_us = clock_monotonic_us();
    *machine->record = (struct record){.generation = records_next_generation(engine->records),
                                       .loop_number = -1,
                                       .has_network = network};
    record_set_state(machine->record, RECORD_SPARE);
    machine_names(machine);
    FAULT_POINT("host.vm.slot.recorded");
    return machine;
}

void machine_end(struct machine *machine, bool discard)
{
    struct engine *engine = machine->engine;
    machine->discard = machine->discard || discard;
    if (machine->plan.id[0]) {
        machine->record->discard_disk = machine->discard;
        record_set_state(machine->record, RECORD_ENDING);
    }
    FAULT_POINT("host.vm.destroy.recorded");
    if (machine->state == MACHINE_ENDING) {
        return;
    }
    event_source_close(engine->context.loop, &machine->socket);
    event_timer_clear(engine->context.loop, &machine->timer);
    if (machine->process.source.fd >= 0) {
        process_signal(machine->process.source.fd, SIGKILL);
    }
    FAULT_POINT("host.vm.destroy.killed");
    machine->state = MACHINE_ENDING;
    machine->since_ms = clock_monotonic_ms();
    vm_jobs_lose_machine(machine);
    if (machine->process.source.fd < 0) {
        machine_clean(machine);
    }
}

void machine_suspended(struct machine *machine, struct engine_call *call)
{
    machine->asked = true;
    if (call) {
        call->next = machine->end_calls;
        machine->end_calls = call;
    }
    machine_end(machine, false);
}
