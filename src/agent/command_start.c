#include "agent/command.h"

#include "agent/command_io.h"
#include "agent/launch.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <errno.h>
#include <sys/socket.h>

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

/* Fills the plan; returns the step that failed with errno, or SPAWN_NONE. */
static enum spawn_stage prepare(struct command *command, const struct request *request,
                                struct launch *launch)
{
    struct agent *agent = command->agent;
    enum spawn_stage stage = launch_prepare(launch, agent, request);
    if (stage != SPAWN_NONE) {
        return stage;
    }
    if (launch_open_pipes(launch, agent, request, &command->input.fd, &command->output[0].fd,
                          &command->output[1].fd) < 0) {
        return SPAWN_PIPE;
    }
    command->tree = trees_take(&agent->trees);
    launch->plan.cgroup_fd = command->tree ? command->tree->dir_fd : -1;
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
    auto_launch struct launch launch = LAUNCH_NONE;
    command->oom_kills_before = oom_kill_count(agent->oom_fd);
    command->start_us = monotonic_us();
    enum spawn_stage stage = prepare(command, request, &launch);
    if (stage != SPAWN_NONE) {
        fail(command, errno, launch_failed_step(request, stage), stage);
        return;
    }
    struct spawn_report report;
    command->pid = spawn(&agent->spawner, &launch.plan, &report);
    if (command->pid < 0) {
        fail(command, report.errnum, launch_failed_step(request, report.stage), report.stage);
        return;
    }
    set_deadline(command, request);
    command_run(command);
}
