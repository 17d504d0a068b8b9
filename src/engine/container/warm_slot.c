#include "engine/container/warm.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/agent_link.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { CLAIM_SILENCE_MAX_MS = 5000 };

/* Until it is claimed; no file of it stays. */
static const char placeholder[] = "sandbox";

static void on_silence(void *owner)
{
    struct slot *slot = owner;
    error_set(&slot->error, ERR_ENGINE, 0, "a sandbox that is made ahead does not answer");
    warm_fail(slot);
}

void warm_start(struct slot *slot)
{
    const struct engine_shape *shape = &slot->pool->shape;
    slot->plan = (struct engine_create){.cpu_count = shape->cpu_count,
                                        .memory_bytes = shape->memory_bytes,
                                        .disk_bytes = shape->disk_bytes,
                                        .process_limit = shape->process_limit,
                                        .network = shape->network};
    memcpy(slot->plan.template_image, shape->template_image, sizeof(slot->plan.template_image));
    memcpy(slot->plan.hostname, placeholder, sizeof(placeholder));
    slot_move(slot, SLOT_WARMING);
    if (slot_set_limits(slot, &slot->error) < 0 ||
        slot_send_plan(slot, DISK_SPARE, true, &slot->error) < 0) {
        warm_fail(slot);
        return;
    }
    FAULT_POINT("host.warm.planned");
}

/* --- a first command, so that the next one finds pages and names in memory --- */

static int ask_for_command(struct slot *slot, struct error *err)
{
    static const char *const command[] = {"/bin/bash", "-c", "true", NULL};
    unsigned char request[AGENT_MESSAGE_MAX];
    size_t length = agent_run_encode(command, request);
    return agent_call_send(&slot->agent, request, length, err);
}

static void on_claim_end(void *owner, const struct error *error);

/* Whether the command ran does not matter: an image may be without a shell. */
static void on_command_end(void *owner, const struct error *error)
{
    struct slot *slot = owner;
    struct event_loop *loop = slot->engine->context.loop;
    (void)error;
    if (agent_call_open(&slot->agent, loop, slot->agent_socket, on_claim_end, slot, &slot->error) <
        0) {
        warm_fail(slot);
        return;
    }
    event_timer_clear(loop, &slot->timer);
    slot_move(slot, SLOT_WARM);
    FAULT_POINT("host.warm.ready");
    warm_count_refill(slot);
    warm_update(slot->engine);
}

void warm_started(struct slot *slot)
{
    struct event_loop *loop = slot->engine->context.loop;
    event_source_close(loop, &slot->socket);
    FAULT_POINT("host.warm.executed");
    slot->timer.on_due = on_silence;
    event_timer_set(loop, &slot->timer, SLOT_SILENCE_MAX_MS);
    if (agent_call_open(&slot->agent, loop, slot->agent_socket, on_command_end, slot,
                        &slot->error) < 0 ||
        ask_for_command(slot, &slot->error) < 0) {
        warm_fail(slot);
    }
}

/* --- the claim --- */

/* Its UTS namespace belongs to the host, so only the host can. */
static int set_hostname(const struct slot *slot, struct error *err)
{
    auto_close int home = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    if (home < 0 || setns(slot->process.source.fd, CLONE_NEWUTS) < 0) {
        return error_set(err, ERR_ENGINE, errno, "enter the UTS namespace of a sandbox");
    }
    int failed = sethostname(slot->plan.hostname, strlen(slot->plan.hostname));
    int problem = errno;
    if (setns(home, CLONE_NEWUTS) < 0) {
        log_error("warm.lost", "errno=%d", errno);
        abort(); /* what this process makes from here on would have a sandbox's name */
    }
    return failed ? error_set(err, ERR_ENGINE, problem, "set the host name of a sandbox") : 0;
}

static int send_identity(struct slot *slot, struct error *err)
{
    struct agent_identity identity = {0};
    unsigned char request[AGENT_MESSAGE_MAX];
    memcpy(identity.hostname, slot->plan.hostname, sizeof(identity.hostname));
    slot_hosts_address(slot, identity.address);
    size_t length = agent_identity_encode(&identity, request);
    return agent_call_send(&slot->agent, request, length, err);
}

static int name_disk(const struct slot *slot, struct error *err)
{
    char spare[ID_SIZE], from[CONTAINER_PATH_SIZE], to[CONTAINER_PATH_SIZE];
    snprintf(spare, sizeof(spare), "slot-%d", slot->index);
    if (rename(disk_path(slot->engine, spare, from), disk_path(slot->engine, slot->plan.id, to)) <
        0) {
        return error_set(err, ERR_ENGINE, errno, "name the disk of %s", slot->plan.id);
    }
    return 0;
}

static void finish(struct slot *slot)
{
    if (name_disk(slot, &slot->error) < 0) {
        warm_fail(slot);
        return;
    }
    FAULT_POINT("host.warm.named");
    event_timer_clear(slot->engine->context.loop, &slot->timer);
    slot->pool->hits++;
    slot->pool = NULL;
    slot_run(slot, "warm");
}

static void on_claim_end(void *owner, const struct error *error)
{
    struct slot *slot = owner;
    if (slot->state == SLOT_CLAIMING && !error) {
        finish(slot);
        return;
    }
    if (error) {
        slot->error = *error;
    }
    warm_fail(slot);
}

void warm_claim(struct slot *slot, const struct pending_create *pending)
{
    slot->plan = pending->plan;
    slot->call = pending->call;
    slot->started_us = pending->started_us;
    slot_record_creating(slot, false);
    slot_move(slot, SLOT_CLAIMING);
    FAULT_POINT("host.warm.claimed");
    if (send_identity(slot, &slot->error) < 0 || set_hostname(slot, &slot->error) < 0) {
        warm_fail(slot);
        return;
    }
    slot->timer.on_due = on_silence;
    event_timer_set(slot->engine->context.loop, &slot->timer, CLAIM_SILENCE_MAX_MS);
}

/* Makes it a nameless one again. */
static void unclaim(struct slot *slot)
{
    record_set_state(slot->record, RECORD_SPARE);
    memset(slot->record->id, 0, sizeof(slot->record->id));
    memset(slot->plan.id, 0, sizeof(slot->plan.id));
    slot->call = NULL;
}

void warm_fail(struct slot *slot)
{
    struct engine *engine = slot->engine;
    struct engine_create plan = slot->plan;
    struct engine_call *call = slot->call;
    bool claimed = slot->state == SLOT_CLAIMING;
    if (slot->error.code == ERR_NONE) {
        error_set(&slot->error, ERR_ENGINE, 0, "a sandbox that was made ahead ended");
    }
    warm_count_failure(slot);
    if (claimed) {
        unclaim(slot);
    }
    slot_end(slot, true);
    if (claimed) {
        container_create(engine, &plan, call);
    }
    warm_update(engine);
}
