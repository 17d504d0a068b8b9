#include "fake_host.h"

#include "agentclient/agentclient.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SANDBOXES_MAX = 64, POOLS_MAX = 8 };

static struct {
    pthread_mutex_t mutex;
    struct host_sandbox sandboxes[SANDBOXES_MAX];
    size_t count;
    struct host_snapshot_id snapshots[SANDBOXES_MAX]; /* in order of id */
    size_t snapshot_count;
    char created_from[32];
    bool created_files_only;
    const char *vm_accel, *vm_problem;
    struct host_pool pools[POOLS_MAX];
    size_t pool_count;
    bool memory_is_gone;
    char held[32]; /* whose freeze waits */
    char console[2048];
    struct {
        enum error_code code;
        bool took_effect;
    } faults[FAKE_CALL_COUNT];
    int calls[FAKE_CALL_COUNT];
    bool unreachable;
    int watch_fd; /* our end, or -1 */
    pthread_cond_t let_go;
} host = {.let_go = PTHREAD_COND_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER, .watch_fd = -1};

static void lock(void)
{
    pthread_mutex_lock(&host.mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&host.mutex);
}

static struct host_sandbox *find(const char *id)
{
    for (size_t i = 0; i < host.count; i++) {
        if (strcmp(host.sandboxes[i].id, id) == 0) {
            return &host.sandboxes[i];
        }
    }
    return NULL;
}

static void put(const char *id, enum host_state state)
{
    struct host_sandbox *sandbox = find(id);
    if (!sandbox) {
        sandbox = &host.sandboxes[host.count++];
        *sandbox = (struct host_sandbox){.engine = "container"};
    }
    sandbox->state = state;
    snprintf(sandbox->id, sizeof(sandbox->id), "%s", id);
    snprintf(sandbox->agent_socket, sizeof(sandbox->agent_socket), "/agents/%s", id);
}

static void forget(const char *id)
{
    struct host_sandbox *sandbox = find(id);
    if (sandbox) {
        *sandbox = host.sandboxes[--host.count];
    }
}

/* Returns whether the call is to fail; then *ret_effect says whether to do it nevertheless. */
static bool fault(enum fake_call call, bool *ret_effect, struct error *err)
{
    host.calls[call]++;
    enum error_code code = host.unreachable ? ERR_HOST_UNAVAILABLE : host.faults[call].code;
    *ret_effect = code == ERR_NONE || (!host.unreachable && host.faults[call].took_effect);
    host.faults[call].code = ERR_NONE;
    if (code != ERR_NONE) {
        error_set(err, code, 0, "fault");
    }
    return code != ERR_NONE;
}

static struct host_snapshot_id *find_snapshot(const char *id)
{
    for (size_t i = 0; i < host.snapshot_count; i++) {
        if (strcmp(host.snapshots[i].id, id) == 0) {
            return &host.snapshots[i];
        }
    }
    return NULL;
}

static int compare_snapshots(const void *a, const void *b)
{
    return strcmp(((const struct host_snapshot_id *)a)->id,
                  ((const struct host_snapshot_id *)b)->id);
}

static void put_snapshot(const char *id)
{
    struct host_snapshot_id *added = &host.snapshots[host.snapshot_count++];
    snprintf(added->id, sizeof(added->id), "%s", id);
    qsort(host.snapshots, host.snapshot_count, sizeof(*added), compare_snapshots);
}

static void forget_snapshot(const char *id)
{
    struct host_snapshot_id *found = find_snapshot(id);
    if (found) {
        *found = host.snapshots[--host.snapshot_count];
        qsort(host.snapshots, host.snapshot_count, sizeof(*found), compare_snapshots);
    }
}

void fake_host_reset(void)
{
    lock();
    host.count = 0;
    host.snapshot_count = 0;
    host.pool_count = 0;
    host.created_from[0] = '\0';
    host.console[0] = '\0';
    host.vm_accel = NULL;
    host.memory_is_gone = false;
    host.held[0] = '\0';
    memset(host.faults, 0, sizeof(host.faults));
    memset(host.calls, 0, sizeof(host.calls));
    host.unreachable = false;
    unlock();
}

void fake_host_fail_next(enum fake_call call, enum error_code code, bool took_effect)
{
    lock();
    host.faults[call].code = code;
    host.faults[call].took_effect = took_effect;
    unlock();
}

void fake_host_reachable(bool reachable)
{
    lock();
    host.unreachable = !reachable;
    host.pool_count = reachable ? host.pool_count : 0;
    if (!reachable && host.watch_fd >= 0) {
        close(host.watch_fd);
        host.watch_fd = -1;
    }
    unlock();
}

void fake_host_vm(const char *accel, const char *problem)
{
    lock();
    host.vm_accel = accel;
    host.vm_problem = problem;
    unlock();
}

void fake_host_hold_freeze(const char *id)
{
    lock();
    snprintf(host.held, sizeof(host.held), "%s", id ? id : "");
    pthread_cond_broadcast(&host.let_go);
    unlock();
}

void fake_host_forget_memory(void)
{
    lock();
    host.memory_is_gone = true;
    unlock();
}

void fake_host_console(const char *text)
{
    lock();
    snprintf(host.console, sizeof(host.console), "%s", text);
    unlock();
}

void fake_host_end(const char *id, const char *reason, bool tell)
{
    lock();
    put(id, HOST_STATE_STOPPED);
    if (tell && host.watch_fd >= 0) {
        struct host_ended ended = {0};
        snprintf(ended.id, sizeof(ended.id), "%s", id);
        snprintf(ended.reason, sizeof(ended.reason), "%s", reason);
        memcpy(ended.console, host.console, sizeof(ended.console));
        send(host.watch_fd, &ended, sizeof(ended), MSG_NOSIGNAL);
    }
    unlock();
}

void fake_host_add(const char *id, enum host_state state)
{
    lock();
    put(id, state);
    unlock();
}

void fake_host_forget(const char *id)
{
    lock();
    forget(id);
    unlock();
}

enum host_state fake_host_state(const char *id)
{
    lock();
    const struct host_sandbox *sandbox = find(id);
    enum host_state state = sandbox ? sandbox->state : 0;
    unlock();
    return state;
}

size_t fake_host_count(void)
{
    lock();
    size_t count = host.count;
    unlock();
    return count;
}

void fake_host_add_snapshot(const char *id)
{
    lock();
    put_snapshot(id);
    unlock();
}

void fake_host_forget_snapshot(const char *id)
{
    lock();
    forget_snapshot(id);
    unlock();
}

bool fake_host_has_snapshot(const char *id)
{
    lock();
    bool found = find_snapshot(id) != NULL;
    unlock();
    return found;
}

size_t fake_host_snapshot_count(void)
{
    lock();
    size_t count = host.snapshot_count;
    unlock();
    return count;
}

const char *fake_host_created_from(void)
{
    return host.created_from;
}

bool fake_host_created_files_only(void)
{
    return host.created_files_only;
}

int fake_host_calls(enum fake_call call)
{
    lock();
    int calls = host.calls[call];
    unlock();
    return calls;
}

/* --- hostclient.h --- */

struct hostclient {
    int unused;
};

struct hostclient *hostclient_new(const char *socket_path)
{
    (void)socket_path;
    static struct hostclient client;
    return &client;
}

struct hostclient *hostclient_free(struct hostclient *client)
{
    (void)client;
    return NULL;
}

int host_hello(struct hostclient *client, struct host_info *ret_info, struct error *err)
{
    (void)client, (void)err;
    *ret_info = (struct host_info){
        .version = "fake",
        .cpu_count = 2,
        .engines = {{.name = "container", .accel = "none", .memory_problem = "it is pretended"}},
        .engine_count = 1};
    if (host.vm_accel) {
        struct host_engine *vm = &ret_info->engines[ret_info->engine_count++];
        *vm =
            (struct host_engine){.name = "vm", .isolation = "a machine", .memory_snapshots = true};
        snprintf(vm->accel, sizeof(vm->accel), "%s", host.vm_accel);
        snprintf(vm->problem, sizeof(vm->problem), "%s", host.vm_problem);
    }
    return 0;
}

static bool is_kept(const struct host_sandbox *sandbox)
{
    return sandbox &&
           (sandbox->state == HOST_STATE_STOPPED || sandbox->state == HOST_STATE_SUSPENDED);
}

/* Snapshots of machines hold memory here. */
static bool resumes(const struct host_create *request)
{
    const struct host_sandbox *kept = find(request->id);
    bool suspended = kept && kept->state == HOST_STATE_SUSPENDED;
    return strcmp(request->engine, "vm") == 0 && !host.memory_is_gone &&
           (request->snapshot ? !request->files_only : suspended);
}

int host_create(struct hostclient *client, const struct host_create *request,
                struct host_created *ret_created, struct error *err)
{
    (void)client;
    bool effect;
    lock();
    bool fails = fault(FAKE_CREATE, &effect, err);
    snprintf(host.created_from, sizeof(host.created_from), "%s",
             request->snapshot ? request->snapshot : "");
    host.created_files_only = request->files_only;
    bool vm = strcmp(request->engine, "vm") == 0, resumed = resumes(request);
    if (!fails && request->snapshot && !find_snapshot(request->snapshot)) {
        fails = error_set(err, ERR_NOT_RESTORABLE, 0, "no such snapshot");
    } else if (!fails && request->keep_disk && !is_kept(find(request->id))) {
        fails = error_set(err, ERR_NOT_FOUND, 0, "no kept disk");
    } else if (effect) {
        put(request->id, HOST_STATE_RUNNING);
        snprintf(find(request->id)->engine, sizeof(find(request->id)->engine), "%s",
                 request->engine);
    }
    *ret_created = (struct host_created){
        .boot_path = "warm", .accel = "none", .boot_us = 1234, .resumed = resumed};
    /* An agent that has been spoken to is not asked for a sign of life. */
    const char *container_path = host.faults[FAKE_HELLO].code == ERR_NONE ? "warm" : "cold";
    snprintf(ret_created->boot_path, sizeof(ret_created->boot_path), "%s",
             vm ? (request->keep_disk && !resumed ? "cold" : "snapshot") : container_path);
    snprintf(ret_created->accel, sizeof(ret_created->accel), "%s", vm ? host.vm_accel : "none");
    snprintf(ret_created->agent_socket, sizeof(ret_created->agent_socket), "/agents/%s",
             request->id);
    unlock();
    return fails ? -1 : 0;
}

int host_destroy(struct hostclient *client, const char *id, bool keep_disk, struct error *err)
{
    (void)client;
    bool effect;
    lock();
    bool fails = fault(FAKE_DESTROY, &effect, err);
    if (effect && keep_disk && find(id)) {
        put(id, HOST_STATE_STOPPED);
    } else if (effect) {
        forget(id);
    }
    unlock();
    return fails ? -1 : 0;
}

static int set_state(enum fake_call call, const char *id, enum host_state state, struct error *err)
{
    bool effect;
    lock();
    bool fails = fault(call, &effect, err);
    const struct host_sandbox *sandbox = find(id);
    if (!fails && (!sandbox || sandbox->state == HOST_STATE_STOPPED)) {
        fails = error_set(err, ERR_NOT_FOUND, 0, "no such sandbox");
    } else if (!fails && call == FAKE_THAW && sandbox->state == HOST_STATE_SUSPENDED) {
        fails = error_set(err, ERR_NOT_RUNNING, 0, "it is suspended");
    } else if (effect && sandbox) {
        put(id, state);
    }
    unlock();
    return fails ? -1 : 0;
}

int host_freeze(struct hostclient *client, const char *id, enum host_state *ret_state,
                struct error *err)
{
    (void)client;
    lock();
    while (strcmp(host.held, id) == 0) {
        pthread_cond_wait(&host.let_go, &host.mutex);
    }
    const struct host_sandbox *sandbox = find(id);
    *ret_state =
        sandbox && strcmp(sandbox->engine, "vm") == 0 ? HOST_STATE_SUSPENDED : HOST_STATE_FROZEN;
    unlock();
    return set_state(FAKE_FREEZE, id, *ret_state, err);
}

int host_thaw(struct hostclient *client, const char *id, struct error *err)
{
    (void)client;
    return set_state(FAKE_THAW, id, HOST_STATE_RUNNING, err);
}

int host_usage(struct hostclient *client, const char *id, struct host_usage *ret_usage,
               struct error *err)
{
    (void)client;
    *ret_usage = (struct host_usage){.cpu_us = 5000};
    enum host_state state = fake_host_state(id);
    bool runs = state == HOST_STATE_RUNNING || state == HOST_STATE_FROZEN;
    return runs ? 0 : error_set(err, ERR_NOT_FOUND, 0, "no processes");
}

int host_snapshot(struct hostclient *client, const char *id, const char *snapshot_id,
                  const char *template_image, struct host_snapshot *ret_snapshot, struct error *err)
{
    (void)client, (void)template_image;
    bool effect;
    lock();
    bool fails = fault(FAKE_SNAPSHOT, &effect, err);
    if (!fails && !find(id)) {
        fails = error_set(err, ERR_NOT_FOUND, 0, "no such sandbox");
    } else if (effect) {
        put_snapshot(snapshot_id);
    }
    *ret_snapshot = (struct host_snapshot){
        .disk_bytes = 1024, .stored_bytes = 512, .pause_us = 700, .digest = "d1"};
    const struct host_sandbox *sandbox = find(id);
    if (sandbox && strcmp(sandbox->engine, "vm") == 0 && sandbox->state != HOST_STATE_STOPPED) {
        ret_snapshot->memory_bytes = 256;
    }
    unlock();
    return fails ? -1 : 0;
}

int host_snapshot_check(struct hostclient *client, const char *snapshot_id, const char *digest,
                        const char *template_image, char memory_problem[200], struct error *err)
{
    (void)client, (void)digest, (void)template_image;
    bool effect;
    lock();
    bool fails = fault(FAKE_SNAPSHOT_CHECK, &effect, err);
    if (!fails && !find_snapshot(snapshot_id)) {
        fails = error_set(err, ERR_NOT_RESTORABLE, 0, "no such snapshot");
    }
    snprintf(memory_problem, 200, "%s", host.memory_is_gone ? "another QEMU" : "");
    unlock();
    return fails ? -1 : 0;
}

int host_snapshot_remove(struct hostclient *client, const char *snapshot_id, struct error *err)
{
    (void)client;
    bool effect;
    lock();
    bool fails = fault(FAKE_SNAPSHOT_REMOVE, &effect, err);
    if (effect) {
        forget_snapshot(snapshot_id);
    }
    unlock();
    return fails ? -1 : 0;
}

int host_snapshot_list(struct hostclient *client, struct host_snapshot_id **ret_ids,
                       size_t *ret_count, struct error *err)
{
    (void)client;
    lock();
    bool fails = host.unreachable;
    *ret_ids = malloc(sizeof(host.snapshots));
    memcpy(*ret_ids, host.snapshots, sizeof(host.snapshots));
    *ret_count = host.snapshot_count;
    unlock();
    if (fails) {
        free(*ret_ids);
        *ret_ids = NULL;
        return error_set(err, ERR_HOST_UNAVAILABLE, 0, "unreachable");
    }
    return 0;
}

static struct host_pool *find_pool(const struct host_shape *shape)
{
    for (size_t i = 0; i < host.pool_count; i++) {
        if (memcmp(&host.pools[i].shape, shape, sizeof(*shape)) == 0) {
            return &host.pools[i];
        }
    }
    return NULL;
}

int host_pool(struct hostclient *client, const struct host_shape *shape, int64_t wanted,
              struct error *err)
{
    (void)client;
    bool effect;
    lock();
    bool fails = fault(FAKE_POOL, &effect, err);
    struct host_pool *pool = find_pool(shape);
    if (effect && !pool && host.pool_count < POOLS_MAX) {
        pool = &host.pools[host.pool_count++];
        *pool = (struct host_pool){.shape = *shape};
    }
    if (effect && pool) {
        pool->wanted = pool->ready = wanted;
    }
    unlock();
    return fails ? -1 : 0;
}

int64_t fake_host_wanted(const char *engine, int64_t memory_mb)
{
    int64_t wanted = -1;
    lock();
    for (size_t i = 0; i < host.pool_count; i++) {
        const struct host_shape *shape = &host.pools[i].shape;
        if (strcmp(shape->engine, engine) == 0 && shape->memory_bytes == memory_mb * 1024 * 1024) {
            wanted = host.pools[i].wanted;
        }
    }
    unlock();
    return wanted;
}

int host_pool_status(struct hostclient *client, struct host_pool **ret_pools, size_t *ret_count,
                     struct error *err)
{
    (void)client, (void)err;
    lock();
    *ret_count = host.pool_count;
    *ret_pools = calloc(host.pool_count + 1, sizeof(**ret_pools));
    memcpy(*ret_pools, host.pools, host.pool_count * sizeof(**ret_pools));
    unlock();
    return 0;
}

/* Sockets of the test's own network. */
int host_sockets(struct hostclient *client, const char *id, int family, int count, int *ret_fds,
                 char address[46], struct error *err)
{
    (void)client;
    if (fake_host_state(id) != HOST_STATE_RUNNING && fake_host_state(id) != HOST_STATE_FROZEN) {
        return error_set(err, ERR_NOT_RUNNING, 0, "no processes");
    }
    for (int i = 0; i < count; i++) {
        ret_fds[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    snprintf(address, 46, "%s", family == AF_INET ? "127.0.0.1" : "::1");
    return 0;
}

int host_list(struct hostclient *client, struct host_sandbox **ret_sandboxes, size_t *ret_count,
              struct error *err)
{
    (void)client;
    lock();
    bool fails = host.unreachable;
    *ret_sandboxes = malloc(sizeof(host.sandboxes));
    memcpy(*ret_sandboxes, host.sandboxes, sizeof(host.sandboxes));
    *ret_count = host.count;
    unlock();
    if (fails) {
        free(*ret_sandboxes);
        return error_set(err, ERR_HOST_UNAVAILABLE, 0, "unreachable");
    }
    return 0;
}

int host_watch(struct hostclient *client, int *ret_fd, struct error *err)
{
    (void)client;
    int pair[2];
    lock();
    if (host.unreachable || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        unlock();
        return error_set(err, ERR_HOST_UNAVAILABLE, 0, "unreachable");
    }
    if (host.watch_fd >= 0) {
        close(host.watch_fd);
    }
    host.watch_fd = pair[0];
    *ret_fd = pair[1];
    unlock();
    return 0;
}

int host_watch_next(int fd, struct host_ended *ret_ended)
{
    return recv(fd, ret_ended, sizeof(*ret_ended), 0) == (ssize_t)sizeof(*ret_ended) ? 1 : -1;
}

/* --- agentclient.h --- */

int agent_hello(const char *socket_path, int64_t timeout_ms, struct error *err)
{
    (void)socket_path, (void)timeout_ms;
    bool effect;
    lock();
    bool fails = fault(FAKE_HELLO, &effect, err);
    unlock();
    return fails ? -1 : 0;
}
