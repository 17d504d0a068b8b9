/* One session and what its parts share. Private to session*.c and reader.c. */
#ifndef ATOLL_AGENT_SESSION_H
#define ATOLL_AGENT_SESSION_H

#include "agent/agent.h"
#include "agent/backlog.h"
#include "agent/ending.h"
#include "agent/reply.h"
#include "agent/request.h"
#include "agent/session_log.h"
#include "agent/spool.h"

#include <assert.h>

struct reader;

/* A connection that waits for a session's process tree to be gone. */
struct stopper {
    struct buried buried; /* first: see agent_bury */
    struct stopper *next, **slot;
    struct watch socket;
};

struct session {
    struct buried buried; /* first: see agent_bury */
    struct agent *agent;
    struct session *next, **slot; /* in the table; slot NULL: forgotten */
    enum agent_session_kind kind;
    enum agent_session_state state;
    char *texts; /* memory of the following; NULL where absent */
    const char *id, *name, *label, *command, *cwd, *log_path, *pid_path;
    /* With RESTART: to start it again. */
    unsigned char *head;
    struct request request;

    /* The latest run. */
    pid_t pid;
    bool reaped;
    struct tree *tree;      /* NULL: no cgroup, or given back */
    struct watch output[2]; /* stdout and stderr; a terminal's master is the first */
    struct watch input;     /* stdin; a second descriptor of the master */
    struct backlog input_backlog;
    bool input_ends; /* close it once nothing waits */
    int64_t start_us;
    int64_t oom_kills_before;
    bool timed_out;
    bool has_ending;
    struct ending ending;

    int64_t started_ms, ended_ms; /* realtime; the first start, the final end */
    int64_t restarts, backoff_ms;
    int64_t timeout_ms, detach_ms;
    bool stopping;     /* until nothing of the tree is left */
    bool stopped;      /* that is why it ended, or is about to */
    bool forget_ended; /* its record goes when it has stopped */
    struct stopper *stoppers;

    /* Monotonic; INT64_MAX: none. */
    int64_t timeout_at_ms, kill_at_ms, restart_at_ms, detach_at_ms;

    struct spool spool;
    struct session_log log;
    struct reader *readers;
    unsigned viewer_count;
};

enum {
    SESSION_FRAME_MAX = 5 * AGENT_PATH_MAX + 1024, /* a frame of a session's fields */
    SESSION_STDIN_WAITS_MAX = CHUNK_BYTES,         /* a follower's input waits when more does */
};

int64_t realtime_ms(void);
int64_t monotonic_ms(void);

/* session.c: records. */
struct session *session_find(const struct agent *agent, const char *id);

/* A record that is not in the table yet; NULL without memory or a place for its output. */
struct session *session_new(struct agent *agent, const struct request *request);

/* Frees one that is not in the table, when this turn is over. */
void session_free(struct session *session);

void session_link(struct session *session);

/* Takes an ended one out of the table; it goes when its readers have. */
void session_forget(struct session *session);

/* Forgets the oldest ended ones, and output of such, beyond what is kept; but not the newest. */
void sessions_trim(struct session *newest);

/* Wakes the loop at that monotonic time at the latest. */
void session_due(struct session *session, int64_t *deadline_ms, int64_t at_ms);

void session_put(struct fields_writer *fields, const struct session *session);

/* session_run.c: processes. */

/* Starts the command. SPAWN_NONE, or the step that failed and *ret_errnum. */
enum spawn_stage session_run(struct session *session, const struct request *request,
                             int *ret_errnum);

/* The final end of one whose process is reaped or that waits for a restart. */
void session_end(struct session *session);

void session_restart(struct session *session);

/* Closes a descriptor that others may share. */
void session_close(struct session *session, struct watch *watch);

/* session_input.c */

/* Passes input on or keeps it. 0, or a positive errno: EPIPE, EAGAIN (too much waits), ENOMEM. */
int session_feed(struct session *session, const void *bytes, size_t length);
void session_end_input(struct session *session);
void session_on_input(struct watch *watch, uint32_t events);

/* session_stop.c */
void session_stop(struct session *session, int64_t grace_ms);

/* Owns fd: answers DONE when nothing of the tree is left. */
void session_add_stopper(struct session *session, int fd);

/* Answers the stoppers if nothing is left. The session may be forgotten then. */
void session_settle(struct session *session);

/* To every process of its tree. */
void session_signal(struct session *session, int number);

/* reader.c */
void reader_start(struct session *session, int fd, const struct request *request);

/* There is new output, or the session has ended. */
void readers_advance(struct session *session);

/* Input has been taken: continues with followers that waited for that. */
void readers_continue_input(struct session *session);

#endif
