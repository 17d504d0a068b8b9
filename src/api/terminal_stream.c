/* GET …/terminal/stream: one viewer of a terminal, who may type, too. The connection's thread carries bytes both
 * ways; a terminal outlives its viewers. */
#include "agentclient/sessions.h"
#include "api/socket_link.h"
#include "api/stream_token.h"
#include "api/terminal.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "http/upgrade.h"
#include "store/store_secrets.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { SEND_BUFFER_BYTES = 128 * 1024 };

const char terminal_subprotocol[] = "miosa-terminal-v1";

struct viewer {
    struct socket_link link;
    struct sandbox_view view;
    char session_id[ID_SIZE];
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    struct agent_call *call;
    struct bytes_view input;  /* typed, not yet sent: of the link's last message */
    struct bytes_view output; /* printed, not yet sent: of the last event */
    bool exited;
    struct agent_exit exit;
};

static void viewer_free(void *state)
{
    struct viewer *viewer = state;
    agent_call_free(viewer->call);
    free(viewer);
}

/* --- who may --- */

static const char *token_of(const struct request *request)
{
    const char *header = request_header(request, "Authorization");
    const char *token = request_query(request, "token");
    if (!token && header && strncasecmp(header, "Bearer ", 7) == 0) {
        token = header + 7 + strspn(header + 7, " ");
    }
    return token;
}

int terminal_stream_authenticate(const struct request *request, struct principal *ret_principal,
                                 struct error *err)
{
    char secret[SECRET_SIZE];
    const char *token = token_of(request);
    const char *session_id = request_query(request, "session_id");
    /* API keys have no dots; tokens have two. */
    if (!token || (!request_query(request, "token") && !strchr(token, '.'))) {
        return 0;
    }
    struct stream_claims claims = {
        .sandbox_id = request_param(request, "id"),
        .session_id = session_id ? session_id : "",
    };
    if (store_secret(api_of(request)->store, TERMINAL_SECRET, secret, err)) {
        return -1;
    }
    return stream_token_check(secret, token, &claims, clock_realtime_ms() / 1000, ret_principal,
                              err)
               ? -1
               : 1;
}

/* --- from the terminal --- */

/* Takes what the agent has until there is output to send. -1: it is over. */
static int take_events(struct viewer *viewer)
{
    struct error err = {0};
    while (viewer->output.length == 0 && !viewer->exited) {
        struct session_event event;
        int got = session_next(viewer->call, -1, 0, &event, &err);
        if (got == 0) {
            return 0;
        }
        if (got < 0) {
            if (err.code == ERR_PROCESS_NOT_FOUND) {
                terminal_not_found(&err);
            }
            socket_link_end_failed(&viewer->link, &err);
            return -1;
        }
        if (event.type == SESSION_EVENT_OUTPUT) {
            viewer->output = event.bytes;
        } else if (event.type == SESSION_EVENT_EXIT) {
            viewer->exited = true;
            viewer->exit = event.exit;
        }
    }
    return 0;
}

static void tell_exit(struct viewer *viewer)
{
    char text[80];
    int length = snprintf(text, sizeof(text), "{\"type\":\"exit\",\"exit_code\":%d}",
                          viewer->exit.exit_code);
    websocket_send(viewer->link.websocket, WEBSOCKET_TEXT, text, (size_t)length);
    socket_link_end(&viewer->link, SOCKET_CLOSE_NORMAL, "the terminal's command has ended");
}

/* --- to the terminal --- */

static int window_of(const json_t *frame, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(frame, name));
    return value >= 1 && value <= AGENT_WINDOW_MAX ? (int)value : 0;
}

/* Control frames that are not understood are left alone: clients of other versions send more. */
static void take_control(struct viewer *viewer, const struct websocket_message *message)
{
    json_t *frame = json_loadb(message->bytes, message->length, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(frame, "type"));
    int rows = window_of(frame, "rows"), cols = window_of(frame, "cols");
    if (type && strcmp(type, "resize") == 0 && rows && cols && !viewer->exited) {
        struct error ignored = {0};
        session_send_resize(viewer->call, rows, cols, &ignored);
    }
    json_decref(frame);
}

/* The client has closed. Only "normal closure" is the wish to end the terminal. */
static void take_close(struct viewer *viewer, int code)
{
    struct sandbox_view view;
    struct error err = {0};
    log_info("terminal.left", "session=%s code=%d", viewer->session_id, code);
    if (code != SOCKET_CLOSE_NORMAL || viewer->exited ||
        !sandbox_peek(viewer->link.api->sandboxes, viewer->link.sandbox_id, NULL, &view) ||
        view.state != SANDBOX_RUNNING) {
        return;
    }
    if (terminal_end(viewer->agent_socket, viewer->session_id, &err) &&
        err.code != ERR_PROCESS_NOT_FOUND) {
        log_warn("terminal.end", "session=%s error=%s", viewer->session_id, err.message);
    }
}

/* -1: it is over. */
static int take_message(struct viewer *viewer)
{
    struct websocket_message message;
    int got = socket_link_receive(&viewer->link, &message);
    if (got != 1) {
        return got;
    }
    switch (message.type) {
    case WEBSOCKET_BINARY:
        viewer->input = (struct bytes_view){message.bytes, message.length};
        socket_link_touch(&viewer->link);
        return 0;
    case WEBSOCKET_TEXT:
        take_control(viewer, &message);
        return 0;
    case WEBSOCKET_CLOSE:
        take_close(viewer, message.close_code);
        return -1;
    }
    return 0;
}

/* What a command no longer takes is dropped: its end is on the way. */
static void send_input(struct viewer *viewer)
{
    struct error ignored = {0};
    size_t part = viewer->input.length < AGENT_STDIN_PART_BYTES ? viewer->input.length
                                                                : AGENT_STDIN_PART_BYTES;
    if (session_send_input(viewer->call, viewer->input.data, part, &ignored)) {
        part = viewer->input.length;
    }
    viewer->input.data += part;
    viewer->input.length -= part;
}

/* --- both ways --- */

/* -1: it is over. */
static int wait_and_send(struct viewer *viewer)
{
    bool prints = viewer->output.length > 0, types = viewer->input.length > 0;
    struct pollfd agent = {.fd = prints && !types ? -1 : agent_call_fd(viewer->call),
                           .events = (short)((prints ? 0 : POLLIN) | (types ? POLLOUT : 0))};
    if (socket_link_wait(&viewer->link, !types, prints, &agent)) {
        return -1;
    }
    if (types && agent.revents) {
        send_input(viewer);
    }
    return prints && viewer->link.writable ? socket_link_send(&viewer->link, &viewer->output) : 0;
}

static void run_viewer(struct request *request, struct websocket *websocket, int fd)
{
    struct viewer *viewer = request_state(request);
    /* What was printed and is on its way is what Ctrl-C seems to wait for. */
    int buffer_bytes = SEND_BUFFER_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    socket_link_init(&viewer->link, request, websocket, fd, &viewer->view);
    log_info("terminal.attached", "session=%s", viewer->session_id);
    FAULT_POINT("daemon.terminal.attached");
    for (;;) {
        if (take_events(viewer)) {
            return;
        }
        if (viewer->exited && viewer->output.length == 0) {
            tell_exit(viewer);
            return;
        }
        if (viewer->input.length == 0 && take_message(viewer)) {
            return;
        }
        if (wait_and_send(viewer)) {
            return;
        }
    }
}

/* --- beginning --- */

static int read_window(struct request *request, int *ret_rows, int *ret_cols, struct error *err)
{
    int64_t rows, cols;
    if (request_query_int(request, "rows", 1, AGENT_WINDOW_MAX, 0, &rows, err) ||
        request_query_int(request, "cols", 1, AGENT_WINDOW_MAX, 0, &cols, err)) {
        return -1;
    }
    *ret_rows = rows && cols ? (int)rows : 0;
    *ret_cols = rows && cols ? (int)cols : 0;
    return 0;
}

/* Attaches to the session of the query. */
static int attach(struct request *request, const struct sandbox_use *use, struct viewer *viewer,
                  struct error *err)
{
    const char *session_id = request_query(request, "session_id");
    int rows, cols;
    if (!session_id || !terminal_id_valid(session_id)) {
        return terminal_not_found(err);
    }
    if (read_window(request, &rows, &cols, err)) {
        return -1;
    }
    memcpy(viewer->session_id, session_id, strlen(session_id) + 1);
    memcpy(viewer->agent_socket, use->agent_socket, sizeof(viewer->agent_socket));
    if (!sandbox_peek(viewer->link.api->sandboxes, use->id, NULL, &viewer->view)) {
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
    }
    viewer->call = session_read(use->agent_socket, session_id, -1, true, rows, cols, err);
    if (!viewer->call) {
        return terminal_failed(viewer->link.api->sandboxes, use, err);
    }
    return 0;
}

static struct viewer *viewer_open(struct request *request, const struct sandbox_use *use,
                                  struct error *err)
{
    struct viewer *viewer = calloc(1, sizeof(*viewer));
    if (!viewer) {
        error_set(err, ERR_INTERNAL, 0, "no memory for a terminal's viewer");
        return NULL;
    }
    viewer->link.api = api_of(request);
    if (attach(request, use, viewer, err)) {
        viewer_free(viewer);
        return NULL;
    }
    return viewer;
}

void terminal_stream_handle(struct request *request)
{
    struct error err = {0}, not_a_socket = {0};
    struct sandbox_use use;
    struct viewer *viewer = NULL;
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    bool usable = sandbox_use_begin(sandboxes, request_principal(request),
                                    request_param(request, "id"), 0, &use, &err) == 0;
    if (upgrade_check(request, &not_a_socket)) {
        respond_error(request, usable ? &not_a_socket : &err);
    } else if (usable && (viewer = viewer_open(request, &use, &err))) {
        request_set_state(request, viewer, viewer_free);
        respond_websocket(request, terminal_subprotocol, run_viewer);
    } else {
        respond_websocket_close(request, terminal_subprotocol, socket_close_code(&err),
                                err.message);
    }
    if (usable) {
        sandbox_use_end(sandboxes, &use);
    }
}
