#include "sandbox/internal.h"

#include <assert.h>
#include <string.h>

static const char *const names[SANDBOX_STATE_COUNT] = {
    [SANDBOX_PROVISIONING] = "provisioning",
    [SANDBOX_RUNNING] = "running",
    [SANDBOX_SNAPSHOTTING] = "snapshotting",
    [SANDBOX_PAUSING] = "pausing",
    [SANDBOX_PAUSED] = "paused",
    [SANDBOX_RESUMING] = "resuming",
    [SANDBOX_DESTROYING] = "destroying",
    [SANDBOX_DESTROYED] = "destroyed",
    [SANDBOX_ERROR] = "error",
};

#define TO(state) (1u << SANDBOX_##state)

/* Which states may follow which. Nothing follows destroyed; from error only destroying does. */
static const unsigned may_follow[SANDBOX_STATE_COUNT] = {
    [SANDBOX_PROVISIONING] = TO(RUNNING) | TO(ERROR) | TO(DESTROYING),
    /* running → paused without pausing: the host lost the processes and kept the files */
    [SANDBOX_RUNNING] = TO(SNAPSHOTTING) | TO(PAUSING) | TO(PAUSED) | TO(DESTROYING) | TO(ERROR),
    [SANDBOX_SNAPSHOTTING] = TO(RUNNING) | TO(PAUSED) | TO(DESTROYING) | TO(ERROR),
    [SANDBOX_PAUSING] = TO(PAUSED) | TO(RUNNING) | TO(DESTROYING) | TO(ERROR),
    [SANDBOX_PAUSED] = TO(RESUMING) | TO(PAUSING) | TO(DESTROYING) | TO(ERROR),
    [SANDBOX_RESUMING] = TO(RUNNING) | TO(PAUSED) | TO(DESTROYING) | TO(ERROR),
    [SANDBOX_DESTROYING] = TO(DESTROYED),
    [SANDBOX_DESTROYED] = 0,
    [SANDBOX_ERROR] = TO(DESTROYING),
};

const char *sandbox_state_name(enum sandbox_state state)
{
    assert((unsigned)state < SANDBOX_STATE_COUNT);
    return names[state];
}

enum sandbox_state sandbox_state_parse(const char *name)
{
    unsigned state = 0;
    while (state < SANDBOX_STATE_COUNT && strcmp(names[state], name) != 0) {
        state++;
    }
    return (enum sandbox_state)state;
}

bool sandbox_state_may_follow(enum sandbox_state from, enum sandbox_state to)
{
    return (may_follow[from] & (1u << to)) != 0;
}

void sandbox_state_check(const struct sandbox_record *record, enum sandbox_state state)
{
    assert(strcmp(record->state, names[state]) == 0);
    assert(record->id[0] && record->tenant_id[0] && record->slug[0]);
    switch (state) {
    case SANDBOX_RUNNING:
    case SANDBOX_SNAPSHOTTING:
        assert(record->agent_socket[0] && record->processes && record->files);
        assert(!record->memory_saved);
        assert(record->run_started_ms && record->timer_started_ms && record->started_ms);
        break;
    case SANDBOX_PAUSED:
        assert(!record->processes || !record->memory_saved);
        assert(record->files && record->run_started_ms == 0 && record->last_pause_ms);
        break;
    case SANDBOX_ERROR:
        assert(record->last_error[0] && record->run_started_ms == 0 && !record->processes);
        break;
    case SANDBOX_DESTROYED:
        assert(record->destroyed_ms && !record->files && !record->processes);
        break;
    case SANDBOX_PROVISIONING:
    case SANDBOX_PAUSING:
    case SANDBOX_RESUMING:
        assert(record->files);
        break;
    case SANDBOX_DESTROYING:
        break; /* also of one in state error that has nothing left but its record */
    case SANDBOX_STATE_COUNT:
        assert(!"no such state");
    }
}
