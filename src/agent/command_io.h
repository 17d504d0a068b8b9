/* The streams of a command: frames in and out with back-pressure both ways. Private to command*.c. */
#ifndef ATOLL_AGENT_COMMAND_IO_H
#define ATOLL_AGENT_COMMAND_IO_H

#include "agent/agent.h"
#include "agent/backlog.h"
#include "agent/intake.h"

#include <stdbool.h>

struct command {
    struct buried buried; /* first: see agent_bury */
    struct agent *agent;
    struct command *next, **slot;
    struct watch socket;
    struct watch input;     /* writing end of its stdin; fd -1: closed or not asked for */
    struct watch output[2]; /* reading ends of stdout and stderr */
    pid_t pid;
    bool reaped;
    int wait_status;
    size_t remaining[2]; /* once reaped: bytes that were in the pipes then */
    struct tree *tree;   /* NULL: no cgroup */
    int64_t start_us, end_us;
    int64_t deadline_ms;    /* INT64_MAX: none */
    int64_t announce_at_ms; /* when STARTED goes out even if there is nothing to send with it */
    bool announced;
    bool timed_out;
    bool over; /* the final frame was queued, or the daemon left: end it once nothing is pending */
    int64_t oom_kills_before;
    struct backlog pending; /* frames for the socket; while there are any, no output is read */
    struct intake intake;   /* the frame being received */
    struct backlog input_pending; /* for stdin; while there is any, the socket is not read */
    /* frames of this event, in agent->batch */
    size_t batch_length;
};

/* Links a command whose process runs and begins to serve its connection. */
void command_run(struct command *command);

/* What epoll reports about the socket whatever is paused. */
void command_watch_socket(struct command *command);

/* Reads and sends output as far as the socket takes it. Returns 0, or -1 when the daemon is gone. */
int command_pump_output(struct command *command);

/* Receives frames as far as stdin takes them. 0, or -1 when the daemon left or broke the protocol. */
int command_pump_input(struct command *command);

/* Continues with the bytes that waited for stdin. */
void command_flush_input(struct command *command);

/* Has everything that the command wrote before its end been queued? */
bool command_output_done(const struct command *command);

/* Sends the batch, or keeps what the socket does not take. 0, or -1 when the daemon is gone. */
int command_send_batch(struct command *command);

/* Sends what is pending. 0, or -1. */
int command_flush(struct command *command);

#endif
