#include "api/exec.h"

#include "api/api.h"
#include "api/exec_request.h"
#include "api/exec_result.h"
#include "api/exec_session.h"
#include "api/job_start.h"
#include "base/fault.h"

#include <string.h>

enum { EXEC_BODY_MAX_BYTES = 16 * 1024 * 1024 };

/* Gives the body's bytes to a command that has some. NULL with err unset: it has none. */
static int make_input(const struct exec_request *parsed, struct exec_input **ret_input,
                      struct error *err)
{
    *ret_input = NULL;
    if (!parsed->input) {
        return 0;
    }
    struct exec_input *input = exec_input_new(parsed->input_length, true, err);
    if (!input || exec_input_push(input, parsed->input, parsed->input_length, -1, err) ||
        exec_input_end(input, err)) {
        exec_input_unref(input);
        return -1;
    }
    *ret_input = input;
    return 0;
}

/* Collects output until the command's end. */
static int collect(struct exec_session *session, struct exec_capture *out,
                   struct exec_capture *errors, struct agent_exit *ret_exit, struct error *err)
{
    for (;;) {
        struct agent_event event;
        int got = exec_session_next(session, -1, &event, err);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            continue;
        }
        if (event.type == AGENT_EVENT_STDOUT) {
            exec_capture_add(out, event.bytes);
        } else if (event.type == AGENT_EVENT_STDERR) {
            exec_capture_add(errors, event.bytes);
        } else if (event.type == AGENT_EVENT_EXIT) {
            *ret_exit = event.exit;
            return 0;
        }
    }
}

static json_t *make_result(struct exec_capture *out, struct exec_capture *errors,
                           const struct agent_exit *ended)
{
    json_t *result = json_object();
    if (exec_result_add_output(result, "stdout", out) ||
        exec_result_add_output(result, "stderr", errors) || exec_result_add_exit(result, ended)) {
        json_decref(result);
        return NULL;
    }
    return result;
}

int exec_run_parsed(struct request *request, const struct sandbox_use *use,
                    struct exec_request *parsed, json_t **ret_result, struct error *err)
{
    auto_exec_session struct exec_session session = {
        .api = api_of(request), .use = use, .client_fd = request_client_fd(request)};
    if (make_input(parsed, &session.input, err) || exec_session_start(&session, parsed, err)) {
        return -1;
    }
    FAULT_POINT("daemon.exec.started");
    struct exec_capture out = {.bytes = BUFFER_INIT(EXEC_CAPTURE_MAX_BYTES)};
    struct exec_capture errors = {.bytes = BUFFER_INIT(EXEC_CAPTURE_MAX_BYTES)};
    struct agent_exit ended;
    int result = collect(&session, &out, &errors, &ended, err);
    FAULT_POINT("daemon.exec.ended");
    if (result == 0) {
        *ret_result = make_result(&out, &errors, &ended);
        result =
            *ret_result ? 0 : error_set(err, ERR_INTERNAL, 0, "no memory for a command's output");
    }
    buffer_free(&out.bytes);
    buffer_free(&errors.bytes);
    return result;
}

int exec_run(struct request *request, const struct sandbox_use *use, json_t *body,
             json_t **ret_result, struct error *err)
{
    auto_exec_request struct exec_request parsed = {0};
    if (exec_request_parse(body, EXEC_FORM_RUN, &parsed, err)) {
        return -1;
    }
    return exec_run_parsed(request, use, &parsed, ret_result, err);
}

/* Parses, waits for the sandbox if asked to, runs. *ret_result NULL: a detached one, answered already. */
static int run_in_sandbox(struct request *request, enum exec_form form, json_t **ret_result,
                          struct error *err)
{
    auto_exec_request struct exec_request parsed = {0};
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    struct sandbox_use use;
    if (exec_request_parse(request_json(request), form, &parsed, err)) {
        return -1;
    }
    if (parsed.detached) {
        job_respond_detached(request, &parsed);
        *ret_result = NULL;
        return 0;
    }
    if (parsed.open_stdin) {
        return error_set_field(err, ERR_VALIDATION, "open_stdin",
                               "open_stdin needs a stream: POST …/exec/stream");
    }
    if (sandbox_use_begin(sandboxes, request_principal(request), request_param(request, "id"),
                          parsed.wait_ms, &use, err)) {
        return -1;
    }
    int result = exec_run_parsed(request, &use, &parsed, ret_result, err);
    sandbox_use_end(sandboxes, &use);
    return result;
}

static void handle_form(struct request *request, enum exec_form form)
{
    struct error err = {0};
    json_t *result = NULL;
    if (run_in_sandbox(request, form, &result, &err)) {
        respond_error(request, &err);
        return;
    }
    if (!result) {
        return;
    }
    json_object_set_new(result, "sandbox_id", json_string(request_param(request, "id")));
    respond_json(request, 200, json_pack("{s:o}", "data", result));
}

static void exec_handle(struct request *request)
{
    handle_form(request, EXEC_FORM_EXEC);
}

static void commands_handle(struct request *request)
{
    handle_form(request, EXEC_FORM_COMMANDS);
}

const struct route api_exec_routes[] = {
    {.method = "POST",
     .pattern = "/sandboxes/{id}/exec",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .body_max = EXEC_BODY_MAX_BYTES,
     .handler = exec_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/commands",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .handler = commands_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/exec/stream",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .body_max = EXEC_BODY_MAX_BYTES,
     .handler = exec_stream_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/exec/{exec_id}/stdin",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_STREAM,
     .flags = ROUTE_SLOW_BODY,
     .body_begin = exec_stdin_begin,
     .body_data = exec_stdin_data,
     .handler = exec_stdin_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/exec/{exec_id}/signal",
     .scope = SCOPE_SANDBOXES_EXEC,
     .body = BODY_JSON,
     .handler = exec_signal_handle},
    {0},
};
