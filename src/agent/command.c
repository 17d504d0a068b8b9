#include "agent/command.h"

#include "agent/command_io.h"
#include "agent/drain.h"
#include "agent/ending.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

/* STARTED waits this long for something to travel with: most commands have said all by then, and the
 * daemon is woken once instead of three times. */
enum { ANNOUNCE_DELAY_MS = 5 };

/* Unlinks the command and frees it when the turn is over. */
static void command_end(struct command *command)
{
    struct agent *agent = command->agent;
    drain_connection(agent, &command->socket);
    watch_close(&command->input);
    for (int stream = 0; stream < 2; stream++) {
        drain_start(agent, &command->output[stream]);
    }
    trees_release(&agent->trees, command->tree);
    backlog_clear(&command->pending);
    backlog_clear(&command->input_pending);
    *command->slot = command->next;
    if (command->next) {
        command->next->slot = command->slot;
    }
    agent->connection_count--;
    agent_bury(agent, &command->buried);
}

/* The daemon left: nothing of the command may survive. */
static void command_cancel(struct command *command)
{
    tree_kill(command->tree, command->reaped ? 0 : command->pid);
    for (int stream = 0; stream < 2; stream++) {
        watch_close(&command->output[stream]);
    }
    command_end(command);
}

static void put_started(struct command *command)
{
    if (!command->announced) {
        struct frame_writer writer;
        frame_start(&writer, command->agent->batch + command->batch_length,
                    BATCH_BYTES - command->batch_length);
        fields_put_int(&writer.fields, AGENT_PID, command->pid);
        command->batch_length += frame_finish(&writer, AGENT_FRAME_STARTED);
        command->announced = true;
    }
}

static void put_exit(struct command *command)
{
    struct ending ending = {
        .wait_status = command->wait_status,
        .timed_out = command->timed_out,
        .oom_killed = oom_kill_count(command->agent->oom_fd) != command->oom_kills_before,
        .duration_us = command->end_us - command->start_us,
    };
    struct frame_writer writer;
    frame_start(&writer, command->agent->batch + command->batch_length,
                BATCH_BYTES - command->batch_length);
    ending_put(&writer.fields, &ending);
    ending_put_disk(&writer.fields);
    command->batch_length += frame_finish(&writer, AGENT_FRAME_EXIT);
}

/* Everything that may have become possible: output, then the end. Frees the command when it is over. */
static void command_advance(struct command *command)
{
    command->batch_length = 0;
    put_started(command);
    if (command_pump_output(command) < 0) {
        command_cancel(command);
        return;
    }
    if (command->reaped && !command->over && command->pending.length == 0 &&
        command_output_done(command)) {
        put_exit(command);
        command->over = true;
        if (command_send_batch(command) < 0) {
            command_cancel(command);
            return;
        }
    }
    if (command->over && command->pending.length == 0) {
        command_end(command);
        return;
    }
    command_watch_socket(command);
}

static void on_output(struct watch *watch, uint32_t events)
{
    (void)events;
    struct command *command = watch->owner;
    command_advance(command);
}

static void on_input(struct watch *watch, uint32_t events)
{
    (void)events;
    struct command *command = watch->owner;
    command_flush_input(command);
    command_watch_socket(command);
}

static void on_socket(struct watch *watch, uint32_t events)
{
    struct command *command = watch->owner;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) || command_pump_input(command) < 0) {
        command_cancel(command);
    } else if (events & EPOLLOUT) {
        command_advance(command);
    } else {
        command_watch_socket(command);
    }
}

void command_run(struct command *command)
{
    struct agent *agent = command->agent;
    command->slot = &agent->commands;
    command->next = agent->commands;
    if (command->next) {
        command->next->slot = &command->next;
    }
    agent->commands = command;
    agent->connection_count++;

    command->socket.on_ready = on_socket;
    command->input.on_ready = on_input;
    for (int stream = 0; stream < 2; stream++) {
        command->output[stream].on_ready = on_output;
        loop_watch(&agent->loop, &command->output[stream], EPOLLIN);
    }
    command->announce_at_ms = command->start_us / 1000 + ANNOUNCE_DELAY_MS;
    if (agent->next_deadline_ms > command->announce_at_ms) {
        agent->next_deadline_ms = command->announce_at_ms;
    }
    command_watch_socket(command);
}

void command_reaped(struct agent *agent, pid_t pid, int wait_status)
{
    struct command *command = agent->commands;
    while (command && (command->pid != pid || command->reaped)) {
        command = command->next;
    }
    if (!command) {
        return;
    }
    command->reaped = true;
    command->wait_status = wait_status;
    command->end_us = monotonic_us();
    watch_close(&command->input);
    backlog_clear(&command->input_pending);
    for (int stream = 0; stream < 2; stream++) {
        int length = 0;
        if (command->output[stream].fd >= 0 &&
            ioctl(command->output[stream].fd, FIONREAD, &length) == 0) {
            command->remaining[stream] = (size_t)length;
        }
    }
    command_advance(command);
}

int commands_expire(struct agent *agent)
{
    if (agent->next_deadline_ms == INT64_MAX) {
        return -1;
    }
    int64_t now_ms = monotonic_us() / 1000;
    if (now_ms < agent->next_deadline_ms) {
        return (int)(agent->next_deadline_ms - now_ms);
    }
    agent->next_deadline_ms = INT64_MAX;
    struct command *next;
    for (struct command *command = agent->commands; command; command = next) {
        next = command->next;
        if (now_ms >= command->deadline_ms) {
            command->deadline_ms = INT64_MAX;
            if (!command->reaped) {
                command->timed_out = true;
                tree_kill(command->tree, command->pid);
            }
        }
        int64_t due_ms = command->announced ? command->deadline_ms : command->announce_at_ms;
        if (due_ms > command->deadline_ms) {
            due_ms = command->deadline_ms;
        }
        if (!command->announced && now_ms >= command->announce_at_ms) {
            due_ms = command->deadline_ms;
            command_advance(command);
        }
        if (due_ms < agent->next_deadline_ms) {
            agent->next_deadline_ms = due_ms;
        }
    }
    return agent->next_deadline_ms == INT64_MAX ? -1 : (int)(agent->next_deadline_ms - now_ms);
}
