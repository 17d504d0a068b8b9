/* What the parts of the agent share. The main thread's, except where a member says otherwise. */
#ifndef ATOLL_AGENT_AGENT_H
#define ATOLL_AGENT_AGENT_H

#include "agent/loop.h"
#include "agent/spawn.h"
#include "agent/tree.h"
#include "agent/worker.h"
#include "wire/frame.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CHUNK_BYTES = 64 * 1024, /* what is read from a command's pipe at once: a pipe's capacity */
    /* Both streams of a command that ended, and its EXIT or STARTED frames: one send. */
    BATCH_BYTES = 2 * (FRAME_HEADER_BYTES + CHUNK_BYTES) + 512,
    CONNECTIONS_MAX = 1024,
    ACCEPT_RETRY_MS = 100,
    DRAINS_MAX = 256, /* pipes of background processes that are read for nobody */
};

struct command;
struct session;

/* Jobs and terminals, ended ones included. */
struct session_table {
    struct session *first, **end; /* oldest first */
    unsigned live_count, ended_count, reader_count;
    int64_t next_deadline_ms; /* no deadline of a session is earlier; INT64_MAX: none */
};

/* Something to free when the events of this turn are handed out. */
struct buried {
    struct buried *next;
};

struct agent {
    struct loop loop;
    struct watch listener;
    bool accept_paused; /* no descriptor to be had: tried again after ACCEPT_RETRY_MS */
    struct watch signals;
    struct spawner spawner;
    struct trees trees;
    struct workers workers; /* locks itself */
    struct command *commands;
    struct session_table sessions;
    struct buried *buried;
    int highest_connection;          /* descriptor of any connection so far */
    unsigned connection_count;       /* waiting for their head, or commands */
    struct watch drains[DRAINS_MAX]; /* registered: in use */
    int64_t next_deadline_ms;        /* no command's deadline is earlier; INT64_MAX: none */
    int null_fd;
    int etc_fd;           /* directory with passwd and group */
    int oom_fd;           /* counter of processes killed for memory */
    int reserve_fd;       /* given up to refuse a connection when descriptors run out */
    unsigned char *batch; /* BATCH_BYTES for the event being handled */
    bool stopping;
};

/* Sets everything up from descriptors 3, 4 and 5. 0, or -1 with errno. */
int agent_init(struct agent *agent);

/* Serves until ->stopping, which only a signal sets that PID 1 ignores. */
void agent_serve(struct agent *agent);

/* Frees memory with free() after this turn's events; its first member is a struct buried. */
void agent_bury(struct agent *agent, struct buried *memory);

/* Reads "oom_kill N" from the counter file; 0 when there is none. */
int64_t oom_kill_count(int fd);

#endif
