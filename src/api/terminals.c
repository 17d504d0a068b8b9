/* POST …/terminal, GET …/terminals, POST …/terminal/{session_id}/token, DELETE …/terminal/{session_id}. */
#include "agentclient/sessions.h"
#include "api/terminal.h"
#include "api/terminal_request.h"
#include "api/utf8_json.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A shell gets its hang-up and this long before all of it is killed. */
enum { END_GRACE_MS = 1000 };

static int use_begin(struct request *request, struct sandbox_use *ret_use, struct error *err)
{
    return sandbox_use_begin(api_of(request)->sandboxes, request_principal(request),
                             request_param(request, "id"), 0, ret_use, err);
}

int terminal_not_found(struct error *err)
{
    *err = (struct error){0};
    return error_set(err, ERR_TERMINAL_NOT_FOUND, 0, "there is no such terminal");
}

int terminal_failed(struct sandboxes *sandboxes, const struct sandbox_use *use, struct error *err)
{
    if (err->code == ERR_PROCESS_NOT_FOUND) {
        return terminal_not_found(err);
    }
    if (err->code == ERR_AGENT_UNAVAILABLE) {
        sandbox_explain(sandboxes, use, err);
    }
    return -1;
}

static int failed(struct request *request, const struct sandbox_use *use, struct error *err)
{
    return terminal_failed(api_of(request)->sandboxes, use, err);
}

/* --- opening --- */

static int start_session(struct request *request, struct terminal_request *wanted,
                         const struct sandbox_use *use, struct session *ret_session,
                         struct error *err)
{
    const struct settings *settings = api_of(request)->settings;
    char id[ID_SIZE];
    if (terminal_request_resolve(wanted, use, err)) {
        return -1;
    }
    struct session_start start = {
        .id = id_make("trm_", id),
        .kind = AGENT_SESSION_TERMINAL,
        .command = wanted->shown,
        .arguments = wanted->exec.arguments,
        .environment = (const char *const *)wanted->exec.environment,
        .cwd = wanted->exec.cwd,
        .user = wanted->exec.user,
        .detach_ms = settings->terminal_detach_sec * 1000,
        .running_max = settings->max_terminals,
        .rows = wanted->rows,
        .cols = wanted->cols,
        .open_stdin = true,
    };
    if (session_start(use->agent_socket, &start, ret_session, err)) {
        if (err->code == ERR_TERMINAL_LIMIT && !err->hint[0]) {
            return error_set(err, ERR_TERMINAL_LIMIT, 0,
                             "%lld terminals run in this sandbox already",
                             (long long)settings->max_terminals);
        }
        return failed(request, use, err);
    }
    FAULT_POINT("daemon.terminal.started");
    return 0;
}

static void terminal_create(struct request *request)
{
    auto_terminal_request struct terminal_request wanted = {0};
    struct error err = {0};
    struct sandbox_use use;
    struct session session;
    if (terminal_request_parse(request_json(request), &wanted, &err) ||
        use_begin(request, &use, &err)) {
        respond_error(request, &err);
        return;
    }
    int result = start_session(request, &wanted, &use, &session, &err);
    json_t *reply = result == 0 ? terminal_access(request, use.id, session.id, &err) : NULL;
    sandbox_use_end(api_of(request)->sandboxes, &use);
    if (!reply) {
        respond_error(request, &err);
        return;
    }
    json_object_set_new(reply, "cols", json_integer(wanted.cols));
    json_object_set_new(reply, "rows", json_integer(wanted.rows));
    respond_json(request, 201, reply);
}

/* --- those that are there --- */

static int find(struct request *request, const struct sandbox_use *use, struct session *ret_session,
                struct error *err)
{
    const char *id = request_param(request, "session_id");
    if (terminal_id_valid(id)) {
        return session_get(use->agent_socket, id, ret_session, err) ? failed(request, use, err) : 0;
    }
    return terminal_not_found(err);
}

/* A fresh token for a terminal whose first one has expired. */
static void terminal_token(struct request *request)
{
    struct error err = {0};
    struct sandbox_use use;
    struct session session;
    json_t *reply = NULL;
    if (use_begin(request, &use, &err) == 0) {
        if (find(request, &use, &session, &err) == 0) {
            reply = terminal_access(request, use.id, session.id, &err);
        }
        sandbox_use_end(api_of(request)->sandboxes, &use);
    }
    if (reply) {
        respond_json(request, 201, reply);
    } else {
        respond_error(request, &err);
    }
}

static json_t *session_json(const struct session *session)
{
    char started_at[CLOCK_ISO8601_SIZE];
    bool ended = session->state == AGENT_SESSION_ENDED;
    bool exact;
    return json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:s,s:o}", "session_id", session->id, "state",
                     ended ? "ended" : "running", "command",
                     utf8_json(session->command, strlen(session->command), &exact), "cwd",
                     utf8_json(session->cwd, strlen(session->cwd), &exact), "pid",
                     (json_int_t)session->pid, "viewers", (json_int_t)session->viewers,
                     "created_at", clock_iso8601(session->started_ms, started_at), "exit_code",
                     ended ? json_integer(session->exit.exit_code) : json_null());
}

static void terminal_list(struct request *request)
{
    struct error err = {0};
    struct sandbox_use use;
    auto_free struct session *sessions = NULL;
    size_t count = 0;
    if (use_begin(request, &use, &err)) {
        respond_error(request, &err);
        return;
    }
    int result = session_list(use.agent_socket, AGENT_SESSION_TERMINAL, &sessions, &count, &err);
    result = result ? failed(request, &use, &err) : 0;
    sandbox_use_end(api_of(request)->sandboxes, &use);
    if (result) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, session_json(&sessions[i]));
    }
    respond_json(request, 200, json_pack("{s:I,s:o}", "count", (json_int_t)count, "data", list));
}

/* --- the end --- */

int terminal_end(const char *agent_socket, const char *session_id, struct error *err)
{
    struct session session;
    struct error ignored = {0};
    session_signal(agent_socket, session_id, SIGHUP, &ignored);
    FAULT_POINT("daemon.terminal.hung-up");
    return session_stop(agent_socket, session_id, END_GRACE_MS, true, &session, err);
}

static int end(struct request *request, const struct sandbox_use *use, struct error *err)
{
    const char *id = request_param(request, "session_id");
    if (!terminal_id_valid(id)) {
        return terminal_not_found(err);
    }
    if (terminal_end(use->agent_socket, id, err) == 0) {
        return 0;
    }
    /* It is gone, as was asked. */
    return err->code == ERR_PROCESS_NOT_FOUND ? 0 : failed(request, use, err);
}

static void terminal_delete(struct request *request)
{
    struct error err = {0};
    struct sandbox_use use;
    if (use_begin(request, &use, &err)) {
        respond_error(request, &err);
        return;
    }
    int result = end(request, &use, &err);
    sandbox_use_end(api_of(request)->sandboxes, &use);
    if (result) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:s,s:s}", "session_id", request_param(request, "session_id"), "state",
                           "ended"));
}

#define TERMINAL "/sandboxes/{id}/terminal"

const struct route api_terminal_routes[] = {
    {.method = "POST",
     .pattern = TERMINAL,
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .handler = terminal_create},
    {.method = "GET",
     .pattern = TERMINAL "s",
     .scope = SCOPE_SANDBOXES_EXEC,
     .handler = terminal_list},
    {.method = "GET",
     .pattern = TERMINAL "/stream",
     .scope = SCOPE_SANDBOXES_EXEC,
     .authenticate = terminal_stream_authenticate,
     .subprotocol = terminal_subprotocol,
     .handler = terminal_stream_handle},
    {.method = "POST",
     .pattern = TERMINAL "/{session_id}/token",
     .scope = SCOPE_SANDBOXES_EXEC,
     .handler = terminal_token},
    {.method = "DELETE",
     .pattern = TERMINAL "/{session_id}",
     .scope = SCOPE_SANDBOXES_EXEC,
     .handler = terminal_delete},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/tunnel/{port}",
     .scope = SCOPE_SANDBOXES_EXEC,
     .subprotocol = tunnel_subprotocol,
     .handler = tunnel_handle},
    {0},
};
