#include "agentclient/sessions.h"

#include "agentclient/call.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>

enum { LIST_MAX = 4096, LIST_FIRST = 16, FIELD_OVERHEAD_BYTES = 16 };

static size_t text_size(const char *text)
{
    return text ? strlen(text) + FIELD_OVERHEAD_BYTES : 0;
}

static void put_text(struct fields_writer *head, enum agent_tag tag, const char *text)
{
    if (text) {
        fields_put_string(head, (uint16_t)tag, text);
    }
}

/* Absent: what the agent does by itself. */
static void put_positive(struct fields_writer *head, enum agent_tag tag, int64_t value)
{
    if (value > 0) {
        fields_put_int(head, (uint16_t)tag, value < INT32_MAX ? value : INT32_MAX);
    }
}

static void put_start(struct fields_writer *head, const struct session_start *request)
{
    fields_put_int(head, AGENT_OPERATION, AGENT_OP_SESSION_START);
    fields_put_string(head, AGENT_SESSION_ID, request->id);
    fields_put_int(head, AGENT_SESSION_KIND, request->kind);
    fields_put_string(head, AGENT_COMMAND, request->command);
    put_text(head, AGENT_NAME, request->name);
    put_text(head, AGENT_LABEL, request->label);
    put_text(head, AGENT_CWD, request->cwd);
    put_text(head, AGENT_USER, request->user);
    put_text(head, AGENT_LOG_PATH, request->log_path);
    put_text(head, AGENT_PID_PATH, request->pid_path);
    put_positive(head, AGENT_TIMEOUT_MS, request->timeout_ms);
    put_positive(head, AGENT_DETACH_MS, request->detach_ms);
    put_positive(head, AGENT_LIMIT,
                 request->running_max < AGENT_LIST_LIMIT_MAX ? request->running_max
                                                             : AGENT_LIST_LIMIT_MAX);
    put_positive(head, AGENT_ROWS, request->rows);
    put_positive(head, AGENT_COLS, request->cols);
    put_positive(head, AGENT_OPEN_STDIN, request->open_stdin);
    put_positive(head, AGENT_RESTART, request->restart);
    call_put_list(head, AGENT_ARGUMENT, request->arguments);
    call_put_list(head, AGENT_ENV, request->environment);
}

static int send_start(struct agent_call *call, const struct session_start *request,
                      struct error *err)
{
    size_t capacity = CALL_SMALL_HEAD_BYTES + text_size(request->id) + text_size(request->command) +
                      text_size(request->name) + text_size(request->label) +
                      text_size(request->cwd) + text_size(request->user) +
                      text_size(request->log_path) + text_size(request->pid_path) +
                      call_list_size(request->arguments) + call_list_size(request->environment);
    if (capacity > FRAME_PAYLOAD_MAX) {
        return error_set(err, ERR_TOO_LARGE, 0, "arguments and environment exceed %d bytes",
                         FRAME_PAYLOAD_MAX - CALL_SMALL_HEAD_BYTES);
    }
    auto_free unsigned char *data = malloc(capacity);
    if (!data) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "start a session");
    }
    struct fields_writer head;
    fields_start(&head, data, capacity);
    put_start(&head, request);
    return call_send_head(call, &head, err);
}

/* A text of the agent's, made valid UTF-8. */
static bool get_text(const struct call_frame *frame, enum agent_tag tag, char *text, size_t size)
{
    struct bytes_view value;
    text[0] = '\0';
    if (!fields_find(frame->payload, frame->length, (uint16_t)tag, &value)) {
        return true;
    }
    if (!fields_get_text(frame->payload, frame->length, (uint16_t)tag, text, size)) {
        return false;
    }
    call_sanitize(text, true);
    return true;
}

static bool get_texts(const struct call_frame *frame, struct session *ret_session)
{
    return get_text(frame, AGENT_SESSION_ID, ret_session->id, sizeof(ret_session->id)) &&
           get_text(frame, AGENT_NAME, ret_session->name, sizeof(ret_session->name)) &&
           get_text(frame, AGENT_LABEL, ret_session->label, sizeof(ret_session->label)) &&
           get_text(frame, AGENT_COMMAND, ret_session->command, sizeof(ret_session->command)) &&
           get_text(frame, AGENT_CWD, ret_session->cwd, sizeof(ret_session->cwd)) &&
           get_text(frame, AGENT_LOG_PATH, ret_session->log_path, sizeof(ret_session->log_path));
}

static bool is_id(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return *text && text[strspn(text, allowed)] == '\0';
}

/* 0, or -1 with err. */
static int parse_session(struct agent_call *call, const struct call_frame *frame,
                         struct session *ret_session, struct error *err)
{
    struct session *session = ret_session;
    memset(session, 0, sizeof(*session));
    int64_t kind = call_get(frame, AGENT_SESSION_KIND, 0);
    int64_t state = call_get(frame, AGENT_SESSION_STATE, 0);
    session->pid = call_get(frame, AGENT_PID, 0);
    session->started_ms = call_get(frame, AGENT_STARTED_MS, -1);
    session->ended_ms = call_get(frame, AGENT_ENDED_MS, 0);
    session->restarts = call_get(frame, AGENT_RESTARTS, 0);
    session->viewers = call_get(frame, AGENT_VIEWERS, 0);
    session->position = call_get(frame, AGENT_POSITION, -1);
    session->stopped = call_get(frame, AGENT_STOPPED, 0) == 1;
    bool numbers = kind >= AGENT_SESSION_JOB && kind <= AGENT_SESSION_TERMINAL &&
                   state >= AGENT_SESSION_RUNNING && state <= AGENT_SESSION_ENDED &&
                   session->pid > 0 && session->pid <= INT32_MAX && session->started_ms >= 0 &&
                   session->ended_ms >= 0 && session->restarts >= 0 && session->viewers >= 0 &&
                   session->position >= 0;
    if (!numbers || !get_texts(frame, session) || !is_id(session->id)) {
        return call_violation(call, "an impossible session", err);
    }
    session->kind = (enum agent_session_kind)kind;
    session->state = (enum agent_session_state)state;
    bool has_exit = call_get(frame, AGENT_EXIT_CODE, -1) >= 0;
    if (!has_exit && session->state != AGENT_SESSION_RUNNING) {
        return call_violation(call, "a session without its end", err);
    }
    return has_exit ? call_parse_exit(call, frame, &session->exit, err) : 0;
}

/* The reply of one session's fields. 0, or -1 with err. */
static int finish_session(struct agent_call *call, int64_t patience_ms, struct session *ret_session,
                          struct error *err)
{
    struct call_wait wait = call_default_wait();
    struct call_frame frame;
    wait.deadline_ms += patience_ms;
    if (call_next(call, &wait, &frame, err) < 0) {
        return -1;
    }
    if (frame.type != AGENT_FRAME_DONE || call->start != call->end) {
        return call_violation(call, "something else than one final frame", err);
    }
    call->state = CALL_ENDED;
    return parse_session(call, &frame, ret_session, err);
}

int session_start(const char *socket_path, const struct session_start *request,
                  struct session *ret_session, struct error *err)
{
    struct agent_call *call = call_open(socket_path, err);
    int result = -1;
    if (call) {
        call->subject = request->kind == AGENT_SESSION_JOB ? CALL_JOB : CALL_TERMINAL;
        if (send_start(call, request, err) == 0) {
            result = finish_session(call, 0, ret_session, err);
        }
    }
    agent_call_free(call);
    return result;
}

/* Begins a head about one session. */
static void start_head(struct fields_writer *head, unsigned char data[CALL_SMALL_HEAD_BYTES],
                       enum agent_operation operation, const char *id)
{
    fields_start(head, data, CALL_SMALL_HEAD_BYTES);
    fields_put_int(head, AGENT_OPERATION, operation);
    fields_put_string(head, AGENT_SESSION_ID, id);
}

/* Connects and sends a head. NULL with err. */
static struct agent_call *ask(const char *socket_path, const struct fields_writer *head,
                              struct error *err)
{
    struct agent_call *call = call_open(socket_path, err);
    if (call) {
        call->subject = CALL_SESSION;
        if (call_send_head(call, head, err) < 0) {
            call = agent_call_free(call);
        }
    }
    return call;
}

/* Asks and takes the session's fields. */
static int ask_session(const char *socket_path, const struct fields_writer *head,
                       int64_t patience_ms, struct session *ret_session, struct error *err)
{
    struct agent_call *call = ask(socket_path, head, err);
    int result = call ? finish_session(call, patience_ms, ret_session, err) : -1;
    agent_call_free(call);
    return result;
}

/* Asks and takes an empty reply. */
static int ask_empty(const char *socket_path, const struct fields_writer *head, struct error *err)
{
    struct call_frame frame;
    struct agent_call *call = ask(socket_path, head, err);
    int result = call ? call_finish(call, &frame, err) : -1;
    agent_call_free(call);
    return result;
}

int session_get(const char *socket_path, const char *id, struct session *ret_session,
                struct error *err)
{
    unsigned char data[CALL_SMALL_HEAD_BYTES];
    struct fields_writer head;
    start_head(&head, data, AGENT_OP_SESSION_GET, id);
    return ask_session(socket_path, &head, 0, ret_session, err);
}

int session_stop(const char *socket_path, const char *id, int64_t grace_ms, bool forget,
                 struct session *ret_session, struct error *err)
{
    unsigned char data[CALL_SMALL_HEAD_BYTES];
    struct fields_writer head;
    start_head(&head, data, AGENT_OP_SESSION_STOP, id);
    put_positive(&head, AGENT_GRACE_MS, grace_ms);
    put_positive(&head, AGENT_FORGET, forget);
    return ask_session(socket_path, &head, grace_ms, ret_session, err);
}

int session_signal(const char *socket_path, const char *id, int signal_number, struct error *err)
{
    unsigned char data[CALL_SMALL_HEAD_BYTES];
    struct fields_writer head;
    start_head(&head, data, AGENT_OP_SESSION_SIGNAL, id);
    fields_put_int(&head, AGENT_SIGNAL, signal_number);
    return ask_empty(socket_path, &head, err);
}

int session_input(const char *socket_path, const char *id, const void *bytes, size_t length,
                  bool end_of_input, struct error *err)
{
    if (length > FRAME_PAYLOAD_MAX - CALL_SMALL_HEAD_BYTES) {
        return error_set(err, ERR_TOO_LARGE, 0, "input exceeds %d bytes",
                         FRAME_PAYLOAD_MAX - CALL_SMALL_HEAD_BYTES);
    }
    size_t capacity = CALL_SMALL_HEAD_BYTES + length;
    auto_free unsigned char *data = malloc(capacity);
    if (!data) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "send input");
    }
    struct fields_writer head;
    fields_start(&head, data, capacity);
    fields_put_int(&head, AGENT_OPERATION, AGENT_OP_SESSION_INPUT);
    fields_put_string(&head, AGENT_SESSION_ID, id);
    fields_put_bytes(&head, AGENT_BYTES, bytes, length);
    put_positive(&head, AGENT_END_OF_INPUT, end_of_input);
    return ask_empty(socket_path, &head, err);
}

/* Adds one to the array. 0, or -1 with err. */
static int add_session(struct agent_call *call, const struct call_frame *frame,
                       struct session **sessions, size_t *count, struct error *err)
{
    bool full = *count == 0 || (*count >= LIST_FIRST && (*count & (*count - 1)) == 0);
    if (*count >= LIST_MAX) {
        return call_violation(call, "too many sessions", err);
    }
    if (full) {
        size_t capacity = *count == 0 ? LIST_FIRST : 2 * *count;
        struct session *larger = realloc(*sessions, capacity * sizeof(**sessions));
        if (!larger) {
            return error_set(err, ERR_INTERNAL, ENOMEM, "list sessions");
        }
        *sessions = larger;
    }
    if (parse_session(call, frame, &(*sessions)[*count], err) < 0) {
        return -1;
    }
    (*count)++;
    return 0;
}

/* 0 at the end, or -1 with err. */
static int take_list(struct agent_call *call, struct session **sessions, size_t *count,
                     struct error *err)
{
    for (;;) {
        struct call_wait wait = call_default_wait();
        struct call_frame frame;
        if (call_next(call, &wait, &frame, err) < 0) {
            return -1;
        }
        if (frame.type == AGENT_FRAME_DONE && call->start == call->end) {
            return 0;
        }
        if (frame.type != AGENT_FRAME_SESSION) {
            return call_violation(call, "something else than sessions", err);
        }
        if (add_session(call, &frame, sessions, count, err) < 0) {
            return -1;
        }
    }
}

int session_list(const char *socket_path, int kind, struct session **ret_sessions,
                 size_t *ret_count, struct error *err)
{
    unsigned char data[CALL_SMALL_HEAD_BYTES];
    struct fields_writer head;
    fields_start(&head, data, sizeof(data));
    fields_put_int(&head, AGENT_OPERATION, AGENT_OP_SESSION_LIST);
    put_positive(&head, AGENT_SESSION_KIND, kind);
    auto_free struct session *sessions = NULL;
    size_t count = 0;
    struct agent_call *call = ask(socket_path, &head, err);
    int result = call ? take_list(call, &sessions, &count, err) : -1;
    agent_call_free(call);
    if (result == 0) {
        *ret_sessions = take_pointer(&sessions);
        *ret_count = count;
    }
    return result;
}
