#include "engine/container/warm.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "linux/process.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TO(state) (1u << (state))

static const unsigned transitions[SLOT_STATE_COUNT] = {
    [SLOT_PREPARING] = TO(SLOT_PARKED) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_PARKED] = TO(SLOT_STARTING) | TO(SLOT_WARMING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_STARTING] = TO(SLOT_RUNNING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_WARMING] = TO(SLOT_WARM) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_WARM] = TO(SLOT_CLAIMING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_CLAIMING] = TO(SLOT_RUNNING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_RUNNING] =
        TO(SLOT_FREEZING) | TO(SLOT_SNAPSHOTTING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_FREEZING] = TO(SLOT_FROZEN) | TO(SLOT_RUNNING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_FROZEN] = TO(SLOT_RUNNING) | TO(SLOT_SNAPSHOTTING) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_SNAPSHOTTING] = TO(SLOT_RUNNING) | TO(SLOT_FROZEN) | TO(SLOT_ENDING) | TO(SLOT_CLEANING),
    [SLOT_ENDING] = TO(SLOT_CLEANING),
    [SLOT_CLEANING] = 0,
};

void slot_move(struct slot *slot, enum slot_state state)
{
    assert(transitions[slot->state] & TO(state));
    slot->state = state;
}

bool slot_alive(const struct slot *slot)
{
    return slot->state == SLOT_RUNNING || slot->state == SLOT_FREEZING ||
           slot->state == SLOT_FROZEN || slot->state == SLOT_SNAPSHOTTING;
}

struct slot *slot_find(const struct engine *engine, const char *id)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot && slot->plan.id[0] && slot->state != SLOT_CLEANING &&
            strcmp(slot->plan.id, id) == 0) {
            return slot;
        }
    }
    return NULL;
}

struct slot *slot_new(struct engine *engine, int index, bool network)
{
    assert(!engine->slots[index]);
    struct slot *slot = calloc(1, sizeof(*slot));
    if (!slot) {
        return NULL;
    }
    slot->engine = engine;
    slot->index = index;
    slot->network = network;
    slot->record = records_slot(engine->records, index);
    slot->socket.fd = slot->process.source.fd = -1;
    slot->helper.source.fd = slot->disk_fd = slot->agent.socket.fd = -1;
    slot->timer.owner = slot;
    snprintf(slot->cgroup, sizeof(slot->cgroup), "%s/s%d", engine->cgroup_top, index);
    slot_interface(engine->context.instance, index, slot->interface);
    engine->slots[index] = slot;
    return slot;
}

/* The record comes first: whatever happens from here on, a later start finds what to clean up. */
static void record_preparing(struct slot *slot)
{
    struct record *record = slot->record;
    *record = (struct record){.generation = records_next_generation(slot->engine->records),
                              .loop_number = -1,
                              .has_network = slot->network};
    record_set_state(record, RECORD_SPARE);
    snprintf(slot->agent_socket, sizeof(slot->agent_socket), "%s/%d-%u", slot->engine->agent_path,
             slot->index, record->generation);
}

/* The slot failed before a sandbox ran in it. It may be freed when this returns. */
static void fail(struct slot *slot)
{
    struct engine *engine = slot->engine;
    bool preparing = slot->state == SLOT_PREPARING, network = slot->network;
    if (slot->error.code == ERR_NONE) {
        error_set(&slot->error, ERR_ENGINE, 0,
                  "the sandbox's first process ended while it was set up");
    }
    if (slot->pool) {
        warm_fail(slot);
        return;
    }
    if (slot->state == SLOT_STARTING) {
        error_prefix(&slot->error, "start sandbox %s", slot->plan.id);
    }
    struct error error = slot->error;
    if (preparing) {
        log_error("slot.failed", "slot=%d error=%s", slot->index, error.message);
    }
    slot_end(slot, slot->state != SLOT_STARTING || !slot->plan.keep_disk);
    if (preparing) {
        pool_slot_failed(engine, network, &error);
    }
}

static void on_silence(void *owner)
{
    struct slot *slot = owner;
    if (slot->error.code == ERR_NONE) {
        error_set(&slot->error, ERR_ENGINE, 0, "it took longer than %d seconds",
                  SLOT_SILENCE_MAX_MS / 1000);
    }
    fail(slot);
}

char *slot_hosts_address(const struct slot *slot, char text[INET_ADDRSTRLEN])
{
    struct in_addr own = slot_sandbox_address(slot->engine->context.instance, slot->index);
    snprintf(text, INET_ADDRSTRLEN, "127.0.1.1");
    if (slot->network) {
        inet_ntop(AF_INET, &own, text, INET_ADDRSTRLEN);
    }
    return text;
}

void slot_run(struct slot *slot, const char *boot_path)
{
    struct engine_call *call = slot->call;
    slot->call = NULL;
    slot_move(slot, SLOT_RUNNING);
    record_set_state(slot->record, RECORD_RUNNING);
    FAULT_POINT("host.create.running");
    call->created.boot_us = clock_monotonic_us() - slot->started_us;
    snprintf(call->created.agent_socket, sizeof(call->created.agent_socket), "%s",
             slot->agent_socket);
    snprintf(call->created.boot_path, sizeof(call->created.boot_path), "%s", boot_path);
    call_done(call, NULL);
}

static void started(struct slot *slot)
{
    struct engine *engine = slot->engine;
    event_timer_clear(engine->context.loop, &slot->timer);
    event_source_close(engine->context.loop, &slot->socket);
    FAULT_POINT("host.create.executed");
    slot_run(slot, "cold");
    trash_collect(engine); /* the spare disk, if another was wanted */
}

static void keep_descriptor(struct slot *slot, struct msghdr *head)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(head);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        close_fd(slot->disk_fd);
        memcpy(&slot->disk_fd, CMSG_DATA(header), sizeof(int));
    }
}

static void parked(struct slot *slot)
{
    event_timer_clear(slot->engine->context.loop, &slot->timer);
    slot_move(slot, SLOT_PARKED);
    if (slot->pool) {
        warm_start(slot);
    } else {
        pool_update(slot->engine);
    }
}

static void on_message(struct slot *slot, const struct slot_message *message)
{
    switch (message->kind) {
    case SLOT_MESSAGE_READY:
        slot->record->loop_number = message->loop_number;
        if (slot->state == SLOT_PREPARING) {
            parked(slot);
        }
        break;
    case SLOT_MESSAGE_EXECUTING:
        slot->executing = true;
        break;
    case SLOT_MESSAGE_FAILED:
        slot->error = message->error; /* the end of the connection follows */
        break;
    }
}

/* The end of the connection is the sign that the agent's program replaced the parked process. */
static void on_socket(void *owner, uint32_t events)
{
    struct slot *slot = owner;
    struct slot_message message;
    struct iovec part = {&message, sizeof(message)};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = control.space,
                          .msg_controllen = sizeof(control.space)};
    (void)events;
    ssize_t got = recvmsg(slot->socket.fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got == (ssize_t)sizeof(message)) {
        keep_descriptor(slot, &head);
        on_message(slot, &message);
    } else if (slot->executing && slot->state == SLOT_STARTING) {
        started(slot);
    } else if (slot->executing && slot->state == SLOT_WARMING) {
        warm_started(slot);
    } else {
        fail(slot);
    }
}

/* Watches the slot's new process and notes who it is. */
static int watch_process(struct slot *slot, pid_t pid, struct error *err)
{
    if (process_start_time(pid, &slot->record->pid_start_ticks) < 0 ||
        event_child_add(slot->engine->context.loop, &slot->process, pid, slot_on_process_exit,
                        slot) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "watch process %d", pid);
    }
    slot->record->pid = pid;
    return 0;
}

int slot_prepare(struct slot *slot, const struct template_root *root, int64_t disk_bytes,
                 struct error *err)
{
    struct event_loop *loop = slot->engine->context.loop;
    int pair[2];
    record_preparing(slot);
    slot->root = *root;
    slot->disk_bytes = disk_bytes;
    FAULT_POINT("host.slot.recorded");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "make a socket pair");
    }
    pid_t pid = process_fork_first();
    if (pid == 0) {
        parked_run(slot->engine, slot, pair[1]);
    }
    close_fd(pair[1]);
    if (pid < 0 || event_source_add(loop, &slot->socket, pair[0], EPOLLIN, on_socket, slot) < 0) {
        error_set(err, ERR_HOST_UNSUPPORTED, errno, "make a process id namespace");
        close_fd(pair[0]); /* which ends the process, if there is one */
        return -1;
    }
    slot->timer.on_due = on_silence;
    event_timer_set(loop, &slot->timer, SLOT_SILENCE_MAX_MS);
    return watch_process(slot, pid, err);
}

void slot_record_creating(struct slot *slot, bool keep_disk)
{
    struct record *record = slot->record;
    memcpy(record->id, slot->plan.id, sizeof(record->id));
    record->discard_disk = !keep_disk;
    record_set_state(record, RECORD_CREATING);
}

int slot_set_limits(const struct slot *slot, struct error *err)
{
    const struct engine *engine = slot->engine;
    struct cgroup_limits limits = {.cpu_count = slot->plan.cpu_count,
                                   .memory_bytes = slot->plan.memory_bytes,
                                   .process_count = slot->plan.process_limit};
    if (memcmp(&limits, &engine->spare_limits, sizeof(limits)) == 0) {
        return 0;
    }
    return cgroup_limit(&engine->cgroups, slot->cgroup, &limits, err);
}

/* The next spares are made for another one like this. */
static void expect_alike(struct engine *engine, const struct slot *slot,
                         const struct pending_create *pending)
{
    int64_t bytes = pending->plan.disk_bytes;
    engine->spare_root = pending->root;
    bool from_snapshot = pending->plan.snapshot_id[0] != '\0';
    if (!pending->plan.keep_disk && !from_snapshot &&
        (bytes == slot->disk_bytes || disk_size_usual(bytes))) {
        engine->spare_disk_bytes = bytes;
    }
}

int slot_send_plan(struct slot *slot, enum disk_source disk, bool root_ready, struct error *err)
{
    struct slot_plan plan = {.memory_bytes = slot->plan.memory_bytes,
                             .disk = disk,
                             .root_ready = root_ready,
                             .network = slot->network,
                             .new_identity = slot->plan.snapshot_id[0] && !slot->plan.keep_disk};
    memcpy(plan.id, slot->plan.id, sizeof(plan.id));
    memcpy(plan.template_image, slot->plan.template_image, sizeof(plan.template_image));
    memcpy(plan.hostname, slot->plan.hostname, sizeof(plan.hostname));
    if (send(slot->socket.fd, &plan, sizeof(plan), MSG_NOSIGNAL) != (ssize_t)sizeof(plan)) {
        return error_set(err, ERR_ENGINE, errno, "send the plan");
    }
    slot->timer.on_due = on_silence;
    event_timer_set(slot->engine->context.loop, &slot->timer, SLOT_SILENCE_MAX_MS);
    return 0;
}

void slot_start(struct slot *slot, struct pending_create *pending)
{
    expect_alike(slot->engine, slot, pending);
    slot->plan = pending->plan;
    slot->call = pending->call;
    slot->started_us = pending->started_us;
    slot_record_creating(slot, pending->plan.keep_disk);
    slot_move(slot, SLOT_STARTING);
    FAULT_POINT("host.create.recorded");
    if (slot_set_limits(slot, &slot->error) < 0) {
        fail(slot);
        return;
    }
    FAULT_POINT("host.create.limited");
    bool root_ready = !pending->disk_ready && template_root_equal(&slot->root, &pending->root);
    if (slot_send_plan(slot, pending->disk_ready ? DISK_EXISTING : DISK_SPARE, root_ready,
                       &slot->error) < 0) {
        fail(slot);
        return;
    }
    FAULT_POINT("host.create.planned");
}
