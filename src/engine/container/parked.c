#include "engine/container/parked.h"

#include "base/cleanup.h"
#include "engine/container/privileges.h"
#include "linux/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The agent's descriptors, as it expects them; behind them two that close when it runs. */
enum { AGENT_LISTENER = 3, AGENT_COUNTER, AGENT_CGROUP, LAST_SOCKET, LAST_AGENT, FIRST_UNUSED };

/* Sends one message, with the disk's descriptor when parked has one. When atoll-host is gone, so is
 * this process. */
static void parked_report(int socket, enum slot_message_kind kind, const struct parked *parked,
                          const struct error *error)
{
    struct slot_message message = {.kind = kind, .loop_number = parked ? parked->loop_number : -1};
    if (error) {
        message.error = *error;
    }
    struct iovec part = {&message, sizeof(message)};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    if (parked && parked->disk_root >= 0) {
        memset(&control, 0, sizeof(control));
        head.msg_control = control.space;
        head.msg_controllen = sizeof(control.space);
        struct cmsghdr *header = CMSG_FIRSTHDR(&head);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &parked->disk_root, sizeof(int));
    }
    if (sendmsg(socket, &head, MSG_NOSIGNAL) < 0) {
        _exit(1);
    }
}

/* Puts the descriptors where the agent expects them and closes all others. */
static int arrange_descriptors(struct parked *parked, struct error *err)
{
    int *wanted[] = {&parked->listener, &parked->counter, &parked->cgroup, &parked->socket,
                     &parked->agent};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        *wanted[i] = fcntl(*wanted[i], F_DUPFD_CLOEXEC, 64);
    }
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        if (dup2(null_fd, fd) < 0) {
            return error_set(err, ERR_ENGINE, errno, "open /dev/null");
        }
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        int target = AGENT_LISTENER + (int)i;
        if (dup3(*wanted[i], target, target >= LAST_SOCKET ? O_CLOEXEC : 0) >= 0) {
            *wanted[i] = target;
        } else if (i != 2) { /* there is no delegated directory without a v2 tree */
            return error_set(err, ERR_ENGINE, errno, "arrange descriptors");
        }
    }
    if (parked->cgroup != AGENT_CGROUP && dup2(0, AGENT_CGROUP) < 0) {
        return error_set(err, ERR_ENGINE, errno, "arrange descriptors");
    }
    close_range(FIRST_UNUSED, ~0U, 0);
    return 0;
}

struct agent_environment {
    char hostname[16 + ENGINE_HOSTNAME_SIZE];
    char resolvers[32 + RESOLVERS_MAX * RESOLVER_TEXT_SIZE];
    char address[48];
    char identity[32];
};

static void make_environment(const struct parked *parked, const struct slot_plan *plan,
                             struct agent_environment *environment)
{
    char list[RESOLVERS_MAX * RESOLVER_TEXT_SIZE] = "", address[INET_ADDRSTRLEN];
    slot_hosts_address(parked->slot, address);
    if (plan->network) {
        resolvers_join(&parked->engine->context.resolvers, ",", list, sizeof(list));
    }
    snprintf(environment->hostname, sizeof(environment->hostname), "HOSTNAME=%s", plan->hostname);
    snprintf(environment->resolvers, sizeof(environment->resolvers), "ATOLL_RESOLVERS=%s", list);
    snprintf(environment->address, sizeof(environment->address), "ATOLL_HOSTS_IP=%s", address);
    snprintf(environment->identity, sizeof(environment->identity), "ATOLL_NEW_IDENTITY=%d",
             plan->new_identity);
}

static int become_agent(struct parked *parked, const struct slot_plan *plan, struct error *err)
{
    struct agent_environment environment = {0};
    make_environment(parked, plan, &environment);
    char name[] = "atoll-agent";
    char *const arguments[] = {name, NULL};
    char *const variables[] = {environment.hostname, environment.resolvers, environment.address,
                               environment.identity, NULL};
    prctl(PR_SET_PDEATHSIG, 0); /* only now may this process outlive atoll-host */
    parked_report(parked->socket, SLOT_MESSAGE_EXECUTING, NULL, NULL);
    syscall(SYS_execveat, parked->agent, "", arguments, variables, AT_EMPTY_PATH);
    return error_set(err, ERR_ENGINE, errno, "run atoll-agent");
}

static int carry_out(struct parked *parked, const struct slot_plan *plan, struct error *err)
{
    bool mounted = parked->slot->root.inode != 0;
    if ((mounted && !plan->root_ready && parked_root_unmount(err) < 0) ||
        parked_disk_claim(parked, plan, err) < 0 ||
        (!plan->root_ready && parked_root_mount(parked, plan->template_image, err) < 0)) {
        return -1;
    }
    if (plan->disk == DISK_EXISTING) {
        parked_report(parked->socket, SLOT_MESSAGE_READY, parked, NULL);
    }
    if (privileges_set_limits(err) < 0 || parked_mounts_enter(parked, plan, err) < 0) {
        return -1;
    }
    if (sethostname(plan->hostname, strlen(plan->hostname)) < 0 || setsid() < 0) {
        return error_set(err, ERR_ENGINE, errno, "set the host name");
    }
    if (privileges_drop(parked->userns, &parked->engine->filter, err) < 0 ||
        arrange_descriptors(parked, err) < 0) {
        return -1;
    }
    return become_agent(parked, plan, err);
}

static void begin(struct parked *parked, const struct engine *engine, const struct slot *slot,
                  int socket_fd)
{
    *parked = (struct parked){.engine = engine,
                              .slot = slot,
                              .uid_base = slot_uid_base(engine->context.instance, slot->index),
                              .socket = socket_fd,
                              .listener = -1,
                              .counter = -1,
                              .cgroup = -1,
                              .userns = -1,
                              .agent = engine->agent_fd,
                              .disks = -1,
                              .dev = -1,
                              .disk_root = -1,
                              .loop_number = -1};
    int keep[2] = {engine->agent_fd < socket_fd ? engine->agent_fd : socket_fd,
                   engine->agent_fd < socket_fd ? socket_fd : engine->agent_fd};
    process_close_others(keep, 2);
    prctl(PR_SET_NAME, "atoll-spare");
    umask(022);
}

void parked_run(const struct engine *engine, const struct slot *slot, int socket_fd)
{
    struct error error = {0};
    struct parked parked;
    struct slot_plan plan;
    begin(&parked, engine, slot, socket_fd);
    if (parked_prepare(&parked, &error) < 0) {
        parked_report(socket_fd, SLOT_MESSAGE_FAILED, NULL, &error);
        _exit(1);
    }
    parked_report(socket_fd, SLOT_MESSAGE_READY, &parked, NULL);
    ssize_t got = recv(socket_fd, &plan, sizeof(plan), 0);
    if (got != (ssize_t)sizeof(plan)) {
        _exit(got == 0 ? 0 : 1); /* atoll-host does not want it any more, or is gone */
    }
    carry_out(&parked, &plan, &error);
    parked_report(parked.socket, SLOT_MESSAGE_FAILED, NULL, &error);
    _exit(1);
}
