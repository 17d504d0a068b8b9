/* The API daemon's side of the agent protocol. A struct agent_call is one operation on one connection;
 * one thread uses it at a time. What the agent sends is untrusted: lengths, types and order are checked
 * and a violation is ERR_AGENT_UNAVAILABLE. */
#ifndef ATOLL_AGENTCLIENT_AGENTCLIENT_H
#define ATOLL_AGENTCLIENT_AGENTCLIENT_H

#include "base/buffer.h"
#include "base/error.h"
#include "wire/agent_protocol.h"
#include "wire/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_call;

struct agent_exec {
    const char *const *arguments;   /* NULL-terminated, at least one */
    const char *const *environment; /* NULL-terminated "KEY=value", complete */
    const char *cwd;                /* or NULL */
    const char *user;               /* or NULL: root */
    int64_t timeout_ms;             /* 0: none */
    bool open_stdin;
};

struct agent_exit {
    int exit_code; /* 0..255, 128 + signal */
    int signal;    /* 0 when it exited by itself */
    bool timed_out;
    bool oom_killed;
    int64_t disk_free_bytes; /* -1 unknown */
    int64_t duration_us;
};

struct agent_stat {
    char path[AGENT_PATH_MAX]; /* absolute; entries of a list, too */
    enum agent_file_type type;
    int64_t size;
    int64_t modified_ms;
    int64_t mode;
    int64_t uid, gid;
    char owner[64], group[64];
    char link_target[AGENT_PATH_MAX];
};

enum agent_event_type {
    AGENT_EVENT_STARTED, /* pid */
    AGENT_EVENT_STDOUT,  /* bytes */
    AGENT_EVENT_STDERR,  /* bytes */
    AGENT_EVENT_EXIT,    /* exit; final */
};

struct agent_event {
    enum agent_event_type type;
    struct bytes_view bytes; /* borrowed until the next call */
    int64_t pid;
    struct agent_exit exit;
};

/* Milliseconds that an operation other than a command may be silent before ERR_AGENT_UNAVAILABLE. */
enum { AGENT_SILENCE_MAX_MS = 60 * 1000 };

/* Closes the connection, which cancels an unfinished operation. Accepts NULL; returns NULL. */
struct agent_call *agent_call_free(struct agent_call *call);

/* The connection, for poll(2) together with the client's socket. Owned by the call. */
int agent_call_fd(const struct agent_call *call);

/* Connects and asks. 0 when the agent answered. For readiness and adoption. */
int agent_hello(const char *socket_path, int64_t timeout_ms, struct error *err);

/* Starts a command. NULL with err when the agent cannot be reached. That execve failed comes from
 * the first agent_exec_next (ERR_COMMAND_NOT_FOUND, ERR_COMMAND_START, ERR_PROCESS_LIMIT). */
struct agent_call *agent_exec_start(const char *socket_path, const struct agent_exec *request,
                                    struct error *err);

/* Waits for the next event, at most until cancel_fd (or -1) reports that its peer is gone (POLLRDHUP,
 * POLLHUP, POLLERR): ERR_CANCELLED. wait_ms < 0: for ever. Returns 1, 0 when wait_ms passed, -1. */
int agent_exec_next(struct agent_call *call, int cancel_fd, int64_t wait_ms,
                    struct agent_event *ret_event, struct error *err);

/* What agent_exec_stdin can send without blocking once poll(2) has reported POLLOUT. */
enum { AGENT_STDIN_PART_BYTES = 32 * 1024 };

/* Input for a command started with open_stdin; length 0 ends it. The agent buffers a bounded amount;
 * blocks when the command does not read, so use a thread of its own (this function alone may run beside
 * agent_exec_next) or small inputs, unless the caller polls agent_call_fd for POLLOUT and sends parts of
 * AGENT_STDIN_PART_BYTES. Events may be buffered: take them with agent_exec_next(wait_ms 0) until it
 * returns 0 before polling for POLLIN. A command that ended takes everything and does nothing. */
int agent_exec_stdin(struct agent_call *call, const void *bytes, size_t length, struct error *err);

int agent_exec_signal(struct agent_call *call, int signal, struct error *err);

/* Writing: start, any number of data calls, finish. Without finish nothing appears at the path. mode < 0:
 * keep an existing file's mode, else 0644. A failure inside (disk full) surfaces at the next call. */
struct agent_call *agent_write_start(const char *socket_path, const char *path, int64_t mode,
                                     struct error *err);
int agent_write_data(struct agent_call *call, const void *bytes, size_t length, struct error *err);
int agent_write_finish(struct agent_call *call, struct agent_stat *ret_stat, struct error *err);

/* Reading: start returns after the file's stat arrived. offset < 0: from the end; length < 0: all.
 * agent_read_data copies at most size bytes; returns how many, 0 at the end, -1 on error. */
struct agent_call *agent_read_start(const char *socket_path, const char *path, int64_t offset,
                                    int64_t length, struct agent_stat *ret_stat, struct error *err);
int64_t agent_read_data(struct agent_call *call, void *bytes, size_t size, struct error *err);

/* Lists below path; calls on_entry for each (stop by returning false). */
int agent_list(const char *socket_path, const char *path, int depth, int limit,
               bool (*on_entry)(const struct agent_stat *entry, void *context), void *context,
               bool *ret_truncated, struct error *err);

int agent_stat(const char *socket_path, const char *path, bool follow, struct agent_stat *ret_stat,
               struct error *err);
int agent_mkdir(const char *socket_path, const char *path, int64_t mode, bool recursive,
                struct error *err);
int agent_rename(const char *socket_path, const char *path, const char *target, struct error *err);
int agent_chmod(const char *socket_path, const char *path, int64_t mode, struct error *err);
int agent_remove(const char *socket_path, const char *path, bool recursive, struct error *err);
int agent_sync(const char *socket_path, struct error *err);

#endif
