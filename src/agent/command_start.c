#include "agent/command.h"

#include "agent/command_io.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char default_search_path[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* The child's ends of the pipes, and what its environment lacked. */
struct start {
    struct spawn_plan plan;
    struct account account;
    int child_end[3];
    char home[ACCOUNT_HOME_SIZE + 8];
    char user[ACCOUNT_NAME_SIZE + 8];
    char logname[ACCOUNT_NAME_SIZE + 8];
};

static void start_clear(struct start *start)
{
    for (int i = 0; i < 3; i++) {
        start->child_end[i] = close_fd(start->child_end[i]);
    }
}

#define auto_start __attribute__((cleanup(start_clear)))

/* Value of a variable, or NULL. */
static const char *environment_get(const struct request *request, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < request->environment_count; i++) {
        const char *entry = request->environment[i];
        if (strncmp(entry, name, length) == 0 && entry[length] == '=') {
            return entry + length + 1;
        }
    }
    return NULL;
}

/* Adds name=value in text[size] where the request has no such variable. */
static size_t complete(const struct request *request, size_t count, const char *name,
                       const char *value, char *text, size_t size)
{
    if (environment_get(request, name)) {
        return count;
    }
    snprintf(text, size, "%s=%s", name, value);
    request->environment[count] = text;
    return count + 1;
}

static void complete_environment(const struct request *request, struct start *start)
{
    size_t count = request->environment_count;
    const struct account *account = &start->account;
    count = complete(request, count, "HOME", account->home, start->home, sizeof(start->home));
    count = complete(request, count, "USER", account->name, start->user, sizeof(start->user));
    count =
        complete(request, count, "LOGNAME", account->name, start->logname, sizeof(start->logname));
    request->environment[count] = NULL;
}

/* Makes a pipe: the agent's end, not blocking, into *ret_own; the other for the child. */
static int open_pipe(struct start *start, int stdio, int *ret_own)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -1;
    }
    int own = stdio == 0 ? ends[1] : ends[0];
    start->child_end[stdio] = stdio == 0 ? ends[0] : ends[1];
    *ret_own = own;
    return fcntl(own, F_SETFL, O_NONBLOCK);
}

static int open_pipes(struct command *command, const struct request *request, struct start *start)
{
    struct spawn_plan *plan = &start->plan;
    if (open_pipe(start, 1, &command->output[0].fd) < 0 ||
        open_pipe(start, 2, &command->output[1].fd) < 0 ||
        (request->open_stdin && open_pipe(start, 0, &command->input.fd) < 0)) {
        return -1;
    }
    plan->stdio[0] = request->open_stdin ? start->child_end[0] : command->agent->null_fd;
    plan->stdio[1] = start->child_end[1];
    plan->stdio[2] = start->child_end[2];
    return 0;
}

static void fail(struct command *command, int errnum, const char *message, enum spawn_stage stage)
{
    unsigned char frame[ERROR_FRAME_MAX];
    size_t length = frame_error(frame, errnum, message, spawn_stage_name(stage));
    send(command->socket.fd, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    watch_close(&command->socket);
    watch_close(&command->input);
    watch_close(&command->output[0]);
    watch_close(&command->output[1]);
    trees_release(&command->agent->trees, command->tree);
    free(command);
}

static const char *failed_step(const struct request *request, enum spawn_stage stage)
{
    switch (stage) {
    case SPAWN_CWD:
        return request->cwd ? request->cwd : "home directory";
    case SPAWN_USER:
        return request->user ? request->user : "root";
    case SPAWN_EXEC:
        return request->arguments[0];
    case SPAWN_NONE:
    case SPAWN_FORK:
    case SPAWN_PIPE:
        break;
    }
    return "start a process";
}

/* Fills the plan; returns the step that failed with errno, or SPAWN_NONE. */
static enum spawn_stage prepare(struct command *command, const struct request *request,
                                struct start *start)
{
    int errnum = account_find(command->agent->etc_fd, request->user ? request->user : "root",
                              &start->account);
    if (errnum != 0) {
        errno = errnum;
        return SPAWN_USER;
    }
    if (open_pipes(command, request, start) < 0) {
        return SPAWN_PIPE;
    }
    const char *search_path = environment_get(request, "PATH");
    complete_environment(request, start);
    command->tree = trees_take(&command->agent->trees);
    start->plan.arguments = request->arguments;
    start->plan.environment = request->environment;
    start->plan.search_path = search_path ? search_path : default_search_path;
    start->plan.account = &start->account;
    start->plan.cwd = request->cwd ? request->cwd : start->account.home;
    start->plan.cwd_optional = request->cwd == NULL;
    start->plan.cgroup_fd = command->tree ? command->tree->dir_fd : -1;
    return SPAWN_NONE;
}

static struct command *command_new(struct agent *agent, int fd)
{
    struct command *command = calloc(1, sizeof(*command));
    if (command) {
        struct watch none = {.fd = -1, .owner = command};
        command->agent = agent;
        command->socket = none;
        command->socket.fd = fd;
        command->input = none;
        command->output[0] = none;
        command->output[1] = none;
    }
    return command;
}

static void set_deadline(struct command *command, const struct request *request)
{
    struct agent *agent = command->agent;
    command->deadline_ms = INT64_MAX;
    if (request->timeout_ms > 0) {
        command->deadline_ms = command->start_us / 1000 + request->timeout_ms;
    }
    if (agent->next_deadline_ms > command->deadline_ms) {
        agent->next_deadline_ms = command->deadline_ms;
    }
}

void command_start(struct agent *agent, int fd, const struct request *request)
{
    struct command *command = command_new(agent, fd);
    if (!command) {
        close_fd(fd);
        return;
    }
    auto_start struct start start = {.child_end = {-1, -1, -1}};
    command->oom_kills_before = oom_kill_count(agent->oom_fd);
    command->start_us = monotonic_us();
    enum spawn_stage stage = prepare(command, request, &start);
    if (stage != SPAWN_NONE) {
        fail(command, errno, failed_step(request, stage), stage);
        return;
    }
    struct spawn_report report;
    command->pid = spawn(&agent->spawner, &start.plan, &report);
    if (command->pid < 0) {
        fail(command, report.errnum, failed_step(request, report.stage), report.stage);
        return;
    }
    set_deadline(command, request);
    command_run(command);
}
