#include "agent/agent.h"

#include "agent/command.h"
#include "agent/connection.h"
#include "agent/file.h"
#include "agent/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptors that whoever starts the agent hands over. */
enum { LISTENER_FD = 3, OOM_FD = 4, CGROUP_FD = 5 };

enum { DESCRIPTORS_WANTED = 65536, STOOD_STILL_MS = 1000 /* late by more than load explains */ };

int64_t oom_kill_count(int fd)
{
    static const char key[] = "oom_kill ";
    char text[512];
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, sizeof(key) - 1) == 0) {
            return strtoll(line + sizeof(key) - 1, NULL, 10);
        }
    }
    return 0;
}

void agent_bury(struct agent *agent, struct buried *memory)
{
    memory->next = agent->buried;
    agent->buried = memory;
}

static void free_buried(struct agent *agent)
{
    while (agent->buried) {
        struct buried *memory = agent->buried;
        agent->buried = memory->next;
        free(memory);
    }
}

/* Reaps whatever ended: commands, and orphans that init inherits. */
static void reap(struct agent *agent)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        command_reaped(agent, pid, status);
        session_reaped(agent, pid, status);
    }
    sessions_settle(agent);
    trees_sweep(&agent->trees);
}

static void on_signals(struct watch *watch, uint32_t events)
{
    (void)events;
    struct agent *agent = watch->owner;
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        agent->stopping |= info.ssi_signo == SIGTERM;
    }
    reap(agent);
}

/* SIGPIPE is blocked, not ignored: what is ignored would stay so in commands. */
static int init_signals(struct agent *agent)
{
    for (int number = 1; number < SIGRTMAX; number++) {
        signal(number, SIG_DFL);
    }
    sigset_t blocked;
    sigset_t received;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGCHLD);
    sigemptyset(&received);
    sigaddset(&received, SIGCHLD);
    if (getpid() != 1) {
        /* Outside of a sandbox (in tests) it can be stopped, and orphans come here as well. */
        sigaddset(&blocked, SIGTERM);
        sigaddset(&received, SIGTERM);
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
    int fd = -1;
    if (sigprocmask(SIG_SETMASK, &blocked, NULL) == 0) {
        fd = signalfd(-1, &received, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    agent->signals = (struct watch){.fd = fd, .owner = agent, .on_ready = on_signals};
    return fd < 0 ? -1 : loop_watch(&agent->loop, &agent->signals, EPOLLIN);
}

/* The agent itself may hold many descriptors; commands get the limit that it was started with. */
static int init_descriptors(struct agent *agent)
{
    struct rlimit given;
    if (getrlimit(RLIMIT_NOFILE, &given) < 0 || spawner_init(&agent->spawner, &given) < 0) {
        return -1;
    }
    struct rlimit own = given;
    if (own.rlim_cur < DESCRIPTORS_WANTED) {
        own.rlim_cur = own.rlim_max < DESCRIPTORS_WANTED ? own.rlim_max : DESCRIPTORS_WANTED;
        setrlimit(RLIMIT_NOFILE, &own);
    }
    for (int fd = LISTENER_FD; fd <= CGROUP_FD; fd++) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
            return -1;
        }
    }
    agent->oom_fd = OOM_FD;
    agent->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    agent->reserve_fd = agent->null_fd < 0 ? -1 : fcntl(agent->null_fd, F_DUPFD_CLOEXEC, 3);
    agent->etc_fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return agent->reserve_fd < 0 ? -1 : 0;
}

/* Root inside has the agent's user id. prlimit(2) compares saved ids as well, so an odd one keeps the
 * agent's limits from being lowered; nothing else looks at it. Best effort. */
static void guard_limits(void)
{
    enum { NOGROUP = 65534 };
    if (geteuid() == 0) {
        syscall(SYS_setresgid, -1, -1, NOGROUP);
    }
}

int agent_init(struct agent *agent)
{
    *agent = (struct agent){.next_deadline_ms = INT64_MAX};
    umask(0); /* every mode is given explicitly */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    guard_limits();
    agent->batch = malloc(BATCH_BYTES);
    if (!agent->batch || init_descriptors(agent) < 0 || loop_init(&agent->loop) < 0 ||
        init_signals(agent) < 0 || fcntl(LISTENER_FD, F_SETFL, O_NONBLOCK) < 0) {
        return -1;
    }
    trees_init(&agent->trees, CGROUP_FD);
    sessions_init(&agent->sessions);
    workers_init(&agent->workers, file_operation);
    agent->listener =
        (struct watch){.fd = LISTENER_FD, .owner = agent, .on_ready = connections_accept};
    return loop_watch(&agent->loop, &agent->listener, EPOLLIN);
}

static int turn_timeout_ms(struct agent *agent)
{
    int timeout_ms = commands_expire(agent);
    int sessions_ms = sessions_expire(agent);
    if (timeout_ms < 0 || (sessions_ms >= 0 && sessions_ms < timeout_ms)) {
        timeout_ms = sessions_ms;
    }
    bool retry_first = agent->accept_paused && (timeout_ms < 0 || timeout_ms > ACCEPT_RETRY_MS);
    return retry_first ? ACCEPT_RETRY_MS : timeout_ms;
}

/* One turn of the loop, and what its length says about the time: see sessions_postpone. */
static void turn(struct agent *agent)
{
    int64_t start_us = monotonic_us();
    int64_t worked_ms = (start_us - agent->loop.woke_us) / 1000;
    if (worked_ms > STOOD_STILL_MS) {
        sessions_postpone(agent, worked_ms);
    }
    int timeout_ms = turn_timeout_ms(agent);
    loop_turn(&agent->loop, timeout_ms);
    int64_t waited_ms = (agent->loop.woke_us - start_us) / 1000;
    if (timeout_ms >= 0 && waited_ms > timeout_ms + STOOD_STILL_MS) {
        sessions_postpone(agent, waited_ms);
    }
}

void agent_serve(struct agent *agent)
{
    bool served = false;
    while (!agent->stopping) {
        bool was_paused = agent->accept_paused;
        turn(agent);
        free_buried(agent);
        if (was_paused) {
            agent->accept_paused = loop_watch(&agent->loop, &agent->listener, EPOLLIN) < 0;
        }
        if (!served) {
            /* Not before the first command: its start is what a user waits for. */
            served = workers_start_residents(&agent->workers);
        }
    }
}
