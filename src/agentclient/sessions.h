/* Sessions of the agent protocol: jobs and terminals, which outlive connections and this process. Each call
 * but session_follow is one operation on a connection of its own; any thread. */
#ifndef ATOLL_AGENTCLIENT_SESSIONS_H
#define ATOLL_AGENTCLIENT_SESSIONS_H

#include "agentclient/agentclient.h"

/* What is to run. Strings are borrowed for the call. */
struct session_start {
    const char *id; /* the caller's choice: id_make("job_") or the like, without characters but [A-Za-z0-9_-] */
    enum agent_session_kind kind;
    const char *name;    /* of a service, or NULL */
    const char *label;   /* free text that comes back in struct session, or NULL */
    const char *command; /* as people typed it */
    const char *const *arguments;
    const char *const *environment;
    const char *cwd, *user;
    const char *log_path, *pid_path; /* inside the sandbox, or NULL */
    int64_t timeout_ms;              /* 0: none */
    int64_t detach_ms;               /* terminals; 0: never */
    int64_t running_max;             /* of that kind */
    int rows, cols;                  /* terminals */
    bool open_stdin, restart;
};

struct session {
    char id[AGENT_SESSION_ID_SIZE];
    enum agent_session_kind kind;
    enum agent_session_state state;
    char name[AGENT_NAME_SIZE];
    char label[AGENT_PATH_MAX], command[AGENT_PATH_MAX], cwd[AGENT_PATH_MAX], log_path[AGENT_PATH_MAX];
    int64_t pid;                   /* of its latest start */
    int64_t started_ms, ended_ms;  /* realtime; ended_ms 0: not ended */
    struct agent_exit exit;        /* of its latest end, when restarts > 0 or it ended */
    int64_t restarts, viewers;
    int64_t position;              /* end of its output */
    bool stopped;                  /* it ended because of session_stop */
};

/* 0, or -1: ERR_COMMAND_NOT_FOUND, ERR_COMMAND_START, ERR_PROCESS_LIMIT as agent_exec_start; ERR_JOB_LIMIT,
 * ERR_TERMINAL_LIMIT, ERR_NAME_TAKEN, ERR_HOST_UNSUPPORTED (no PTY to be had). */
int session_start(const char *socket_path, const struct session_start *request,
                  struct session *ret_session, struct error *err);

/* Oldest first; *ret_sessions is the caller's to free(). kind 0: all. */
int session_list(const char *socket_path, int kind, struct session **ret_sessions, size_t *ret_count,
                 struct error *err);

/* ERR_PROCESS_NOT_FOUND, here and below. */
int session_get(const char *socket_path, const char *id, struct session *ret_session,
                struct error *err);
int session_input(const char *socket_path, const char *id, const void *bytes, size_t length,
                  bool end_of_input, struct error *err); /* ERR_PROCESS_ENDED, ERR_AGENT_BUSY */
int session_signal(const char *socket_path, const char *id, int signal, struct error *err);

/* Returns when nothing of its process tree is left. */
int session_stop(const char *socket_path, const char *id, int64_t grace_ms, bool forget,
                 struct session *ret_session, struct error *err);

/* Reading. from: the position behind which to begin, -1: all that is kept. rows 0: leave the size. A struct
 * agent_call as in agentclient.h: agent_call_fd, agent_call_free. */
struct agent_call *session_read(const char *socket_path, const char *id, int64_t from, bool follow,
                                int rows, int cols, struct error *err);

enum session_event_type {
    SESSION_EVENT_OUTPUT,
    SESSION_EVENT_CAUGHT_UP, /* with follow: what comes now is live */
    SESSION_EVENT_EXIT,      /* with follow, final */
    SESSION_EVENT_END,       /* without follow, final */
};

struct session_event {
    enum session_event_type type;
    int stream;              /* OUTPUT: 1 or 2 */
    struct bytes_view bytes; /* OUTPUT: borrowed until the next call */
    int64_t position;        /* OUTPUT: behind it */
    int64_t time_ms;         /* OUTPUT: realtime */
    int64_t lost_bytes;      /* OUTPUT: gone before it */
    struct agent_exit exit;  /* EXIT */
};

/* As agent_exec_next: 1, 0 when wait_ms passed, -1. */
int session_next(struct agent_call *call, int cancel_fd, int64_t wait_ms,
                 struct session_event *ret_event, struct error *err);

/* To a followed session; one thread may send while another is in session_next. */
int session_send_input(struct agent_call *call, const void *bytes, size_t length, struct error *err);
int session_send_resize(struct agent_call *call, int rows, int cols, struct error *err);

#endif
