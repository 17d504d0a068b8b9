#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "engine/vm/state.h"
#include "linux/process.h"
#include "wire/guest_network.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    BACKLOG = 256,
    MONITOR_BACKLOG = 4,
    MONITOR_MAX_MS = 30 * 1000,
    IDENTITY_MAX_MS = 20 * 1000,
    REHEARSALS = 3 /* then nearly everything is translated */
};

/* When atoll-host is gone, so is this process. */
static void report(const struct launch *launch, enum launch_message_kind kind,
                   const struct error *error)
{
    struct launch_message message = {
        .kind = kind, .qemu_pid = launch->child, .resumed = launch->has_saved};
    memcpy(message.not_resumed, launch->not_resumed, sizeof(message.not_resumed));
    if (error) {
        message.error = *error;
    }
    if (send(launch->socket, &message, sizeof(message), MSG_NOSIGNAL) < 0) {
        _exit(1);
    }
}

static int enter_cgroup(const struct launch *launch, struct error *err)
{
    const struct cgroup_host *host = &launch->engine->cgroups;
    const char *name = launch->machine->cgroup;
    struct cgroup_limits limits = {.cpu_count = launch->shape.cpu_count,
                                   .memory_bytes = launch->shape.memory_bytes + VM_OVERHEAD_BYTES,
                                   .process_count = VM_PROCESSES_MAX};
    bool spare = launch->machine->pool; /* until it is claimed, see pool.c */
    return cgroup_make(host, name, err) < 0 || cgroup_limit(host, name, &limits, err) < 0 ||
                   (spare && cgroup_set_background(host, name, true, err) < 0) ||
                   cgroup_join(host, name, err) < 0
               ? -1
               : 0;
}

static int listen_at(const char *path, int type, gid_t group, mode_t mode, int backlog,
                     struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | type, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 ||
        chown(path, 0, group) < 0 || chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
        return error_set(err, ERR_ENGINE, errno, "listen on %s", path);
    }
    return take_fd(&fd);
}

static int open_sockets(struct launch *launch, struct error *err)
{
    char words[VM_PATH_SIZE];
    machine_qmp_path(launch->machine, launch->qmp_path);
    launch->listener = listen_at(launch->machine->agent_socket, SOCK_NONBLOCK,
                                 launch->engine->context.group_id, 0660, BACKLOG, err);
    launch->monitor = listen_at(launch->qmp_path, 0, 0, 0600, MONITOR_BACKLOG, err);
    if (launch->listener < 0 || launch->monitor < 0) {
        return -1;
    }
    machine_words_path(launch->machine, words);
    unlink(words);
    launch->words = open(words, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return launch->words < 0 ? error_set(err, ERR_ENGINE, errno, "open %s", words) : 0;
}

/* Its memory and devices as they were saved; it stands still. */
static int load(struct launch *launch, struct error *err)
{
    return launch->has_saved ? saved_restore(launch->directory, launch->qmp, launch->child, err)
                             : device_load(launch->qmp, launch->saved_device, err);
}

static int ask_hello(int64_t timeout_ms, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int fd = agent_link_open_machine(deadline_ms, err);
    return fd < 0 ? -1 : agent_link_hello(fd, deadline_ms, err);
}

static int start_machine(struct launch *launch, struct error *err)
{
    if (enter_cgroup(launch, err) < 0 || launch_files(launch, err) < 0 ||
        launch_network(launch, err) < 0 || open_sockets(launch, err) < 0 ||
        launch_qemu(launch, err) < 0) {
        return -1;
    }
    FAULT_POINT("host.vm.launch.started");
    if (launch_filter(launch, err) < 0) {
        return -1;
    }
    launch->qmp = qmp_open(launch->qmp_path, MONITOR_MAX_MS, err);
    if (!launch->qmp || (!launch->boots && load(launch, err) < 0)) {
        return -1;
    }
    FAULT_POINT("host.vm.launch.loaded");
    return 0;
}

static int warm_up(const struct launch *launch, struct error *err)
{
    return machine_continue(launch->qmp, err) < 0 || launch_rehearse(launch, REHEARSALS, err) < 0
               ? -1
               : machine_stop(launch->qmp, err);
}

static int await_claim(const struct launch *launch, struct launch_claim *ret_claim)
{
    struct pollfd items[] = {{.fd = launch->socket, .events = POLLIN},
                             {.fd = launch->child_fd, .events = POLLIN}};
    if (poll(items, 2, -1) < 0 || items[1].revents) {
        return -1;
    }
    return recv(launch->socket, ret_claim, sizeof(*ret_claim), 0) == (ssize_t)sizeof(*ret_claim)
               ? 0
               : -1;
}

/* Before anybody's command runs, it is told who it is. */
static int take_identity(struct launch *launch, struct launch_claim *claim, struct error *err)
{
    int64_t deadline_ms =
        clock_monotonic_ms() + (launch->boots ? VM_START_MAX_MS : IDENTITY_MAX_MS);
    if (!launch->boots && machine_continue(launch->qmp, err) < 0) {
        return -1;
    }
    claim->identity.machine = true;
    claim->identity.restored = launch->machine->kind != LAUNCH_NEW && !launch->boots;
    return agent_link_identify(NULL, &claim->identity, deadline_ms, err);
}

static void __attribute__((noreturn)) fail(struct launch *launch, struct error *error)
{
    char console[160];
    console_drain(&launch->console);
    console_text(&launch->console, console, sizeof(console));
    size_t used = strlen(error->message);
    if (console[0]) {
        snprintf(error->message + used, sizeof(error->message) - used, " (console: %s)", console);
    }
    report(launch, LAUNCH_FAILED, error);
    _exit(1);
}

static void __attribute__((noreturn)) make_seed(struct launch *launch)
{
    struct error error = {0};
    if (ask_hello(VM_SEED_BOOT_MAX_MS, &error) < 0 || launch_seed_finish(launch, &error) < 0) {
        fail(launch, &error);
    }
    report(launch, LAUNCH_SEEDED, NULL);
    _exit(0);
}

/* From here on it outlives atoll-host. */
static void let_go(struct launch *launch)
{
    prctl(PR_SET_PDEATHSIG, 0);
    report(launch, LAUNCH_RUNNING, NULL);
    launch->qmp = qmp_close(launch->qmp);
    launch->socket = close_fd(launch->socket);
}

/* The log is atoll-host's alone. */
static void leave_output(void)
{
    auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        if (dup2(null_fd, fd) < 0) {
            _exit(1);
        }
    }
}

void launch_run(const struct engine *engine, const struct machine *machine, int socket_fd)
{
    struct launch launch = {.engine = engine,
                            .machine = machine,
                            .shape = machine->shape,
                            .uid = slot_uid_base(engine->context.instance, machine->slot),
                            .socket = socket_fd,
                            .listener = -1,
                            .monitor = -1,
                            .words = -1,
                            .agent_tap = -1,
                            .guest_tap = -1,
                            .directory = -1,
                            .memory = -1,
                            .root = -1,
                            .saved_device = -1,
                            .console_end = -1,
                            .console = {.fd = -1},
                            .child_fd = -1};
    struct launch_claim claim;
    struct error error = {0};
    process_close_others(&socket_fd, 1);
    leave_output();
    records_close(engine->records); /* shared memory that nobody here is to write to */
    if (start_machine(&launch, &error) < 0) {
        fail(&launch, &error);
    }
    if (machine->kind == LAUNCH_SEED) {
        make_seed(&launch);
    }
    if (supervisor_confine(&launch, &error) < 0 ||
        (machine->pool && warm_up(&launch, &error) < 0)) {
        fail(&launch, &error);
    }
    report(&launch, LAUNCH_PARKED, NULL);
    if (await_claim(&launch, &claim) < 0) {
        error_set(&error, ERR_ENGINE, 0, "QEMU ended");
        fail(&launch, &error);
    }
    if (take_identity(&launch, &claim, &error) < 0) {
        fail(&launch, &error);
    }
    let_go(&launch);
    supervisor_run(&launch);
}
