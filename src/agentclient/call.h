/* The connection below an operation: frames out, checked frames in. Private to agentclient/. */
#ifndef ATOLL_AGENTCLIENT_CALL_H
#define ATOLL_AGENTCLIENT_CALL_H

#include "agentclient/agentclient.h"
#include "wire/frame.h"

enum call_state {
    CALL_OPEN,  /* more frames may come */
    CALL_ENDED, /* the final frame was read, or the connection is unusable */
};

/* What an operation is about, which decides what its errors mean. */
enum call_subject { CALL_FILES, CALL_COMMAND, CALL_JOB, CALL_TERMINAL, CALL_SESSION };

struct agent_call {
    int fd;
    enum call_state state;
    enum call_subject subject;
    bool started;      /* EXEC: STARTED was read */
    bool follow;       /* SESSION_READ: until the session ends */
    bool caught_up;    /* SESSION_READ: CAUGHT_UP was read */
    int64_t position;  /* SESSION_READ: behind what was read */
    int64_t data_left; /* READ: bytes of the current DATA frame not handed out yet */
    /* Received bytes: [start, end) of input[capacity]. */
    unsigned char *input;
    size_t capacity, start, end;
};

/* One received frame; payload is borrowed until the next call. */
struct call_frame {
    uint8_t type;
    const unsigned char *payload;
    size_t length;
};

/* How long and for whom a wait lasts. */
struct call_wait {
    int64_t deadline_ms; /* monotonic; INT64_MAX: none */
    int cancel_fd;       /* -1: none; its hang-up ends the wait with ERR_CANCELLED */
    bool silence_is_failure;
};

/* Room for a head of paths and numbers; commands may need FRAME_PAYLOAD_MAX. */
enum { CALL_SMALL_HEAD_BYTES = 2 * (AGENT_PATH_MAX + 8) + 256 };

struct call_wait call_default_wait(void);

/* Connects. NULL with err: ERR_AGENT_UNAVAILABLE, ERR_AGENT_BUSY. */
struct agent_call *call_open(const char *socket_path, struct error *err);

/* Sends one frame, in parts of one payload. 0, or -1 with errno (EPIPE: the agent ended the operation,
 * its final frame may be waiting) or ETIMEDOUT. */
int call_send(struct agent_call *call, uint8_t type, const void *payload, size_t length,
              int64_t timeout_ms);

/* Sends fields as the HEAD. 0, or -1 with err. */
int call_send_head(struct agent_call *call, const struct fields_writer *head, struct error *err);

/* Waits until the descriptor is readable. 1, 0 when the time passed (unless that is a failure), -1. */
int call_wait_readable(struct agent_call *call, const struct call_wait *wait, struct error *err);

/* Receives what is there into the buffer, without waiting. 1 got something, 0 nothing there, -1 with
 * err when the agent closed or the connection failed. */
int call_fill(struct agent_call *call, struct error *err);

/* The next whole frame. 1, 0 when the wait's time passed, -1 with err. An ERROR frame is given as -1
 * with the error that it tells. */
int call_next(struct agent_call *call, const struct call_wait *wait, struct call_frame *ret_frame,
              struct error *err);

/* The next frame must be a DONE without more behind it. 0, or -1 with err. */
int call_finish(struct agent_call *call, struct call_frame *ret_frame, struct error *err);

/* The agent broke the protocol: ends the call, returns -1 with ERR_AGENT_UNAVAILABLE. */
int call_violation(struct agent_call *call, const char *what, struct error *err);

/* The error that an ERROR frame's fields tell. Always -1. */
int call_error(const struct call_frame *frame, enum call_subject subject, struct error *err);

/* A field's integer, or fallback. */
int64_t call_get(const struct call_frame *frame, enum agent_tag tag, int64_t fallback);

/* How a command ended. 0, or -1 with err. */
int call_parse_exit(struct agent_call *call, const struct call_frame *frame,
                    struct agent_exit *ret_exit, struct error *err);

/* Makes what the agent said valid UTF-8, and printable unless controls are fine. */
void call_sanitize(char *text, bool allow_controls);

/* A field for each text, and the bytes that these take. */
void call_put_list(struct fields_writer *head, enum agent_tag tag, const char *const *texts);
size_t call_list_size(const char *const *texts);

/* File fields of a STAT or DONE frame, checked. 0, or -1. */
int call_parse_stat(const struct call_frame *frame, struct agent_stat *ret_stat);

#endif
