/* POST /sandboxes/run: create, wait, first command, in one request. */
#include "api/api.h"
#include "api/exec.h"
#include "api/exec_request.h"
#include "api/sandbox_routes.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Members of the body that speak of the command; the others, and env, speak of the sandbox. */
static const char *const command_members[] = {
    "command",
    "cmd",
    "args",
    "argv",
    "cwd",
    "user",
    "stdin",
    "timeout",
    "timeout_ms",
    "working_dir",
    "timeoutMs",
    "stdin_base64",
    "timeout_seconds",
    "wait_timeout_ms",
};

static json_t *without_command(json_t *body)
{
    json_t *rest = json_copy(body);
    for (size_t i = 0; i < sizeof(command_members) / sizeof(command_members[0]); i++) {
        json_object_del(rest, command_members[i]);
    }
    return rest;
}

/* The sandbox as its reply shows it: the command may have changed its state. */
static json_t *current(struct request *request, json_t *sandbox)
{
    struct error ignored = {0};
    json_t *fresh = NULL;
    if (sandbox_get(api_of(request)->sandboxes, request_principal(request),
                    json_string_value(json_object_get(sandbox, "id")), &fresh, &ignored)) {
        return json_incref(sandbox);
    }
    return fresh;
}

/* Nobody was told the id of a sandbox whose command did not run. */
static void discard(struct request *request, json_t *sandbox)
{
    struct error err = {0};
    const char *id = json_string_value(json_object_get(sandbox, "id"));
    if (sandbox_destroy(api_of(request)->sandboxes, request_principal(request), id, NULL, &err)) {
        log_warn("api.run_discard", "sandbox=%s error=%s", id, err.message);
    }
}

static int run_in(struct request *request, json_t *sandbox, struct exec_request *parsed,
                  json_t **ret_result, struct error *err)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    struct sandbox_use use;
    const char *id = json_string_value(json_object_get(sandbox, "id"));
    log_context(request_id(request), id);
    if (sandbox_use_begin(sandboxes, request_principal(request), id, parsed->wait_ms, &use, err)) {
        return -1;
    }
    int result = exec_run_parsed(request, &use, parsed, ret_result, err);
    sandbox_use_end(sandboxes, &use);
    return result;
}

static int create_and_run(struct request *request, json_t *create_body, struct exec_request *parsed,
                          json_t **ret_reply, struct error *err)
{
    struct sandbox_spec spec = {0};
    json_t *sandbox = NULL, *result = NULL;
    int64_t started_us = clock_monotonic_us();
    if (sandbox_create_from(request, create_body, &spec, &sandbox, err)) {
        return -1;
    }
    int64_t created_us = clock_monotonic_us();
    if (run_in(request, sandbox, parsed, &result, err)) {
        discard(request, sandbox);
        json_decref(sandbox);
        return -1;
    }
    int64_t ended_us = clock_monotonic_us();
    *ret_reply = json_pack("{s:o, s:o, s:{s:I, s:f, s:f}}", "data", current(request, sandbox),
                           "exec", result, "timings", "server_wait_and_exec_ms",
                           (json_int_t)((ended_us - started_us + 500) / 1000), "create_ms",
                           (double)(created_us - started_us) / 1000, "exec_ms",
                           (double)(ended_us - created_us) / 1000);
    json_decref(sandbox);
    return *ret_reply ? 0 : error_set(err, ERR_INTERNAL, 0, "out of memory");
}

void sandbox_run_handle(struct request *request)
{
    struct error err = {0};
    json_t *body = request_json(request);
    json_t *create_body = without_command(body);
    json_t *reply = NULL;
    auto_exec_request struct exec_request parsed = {0};
    /* The command is checked first: a bad one must not leave a sandbox behind. */
    if (exec_request_parse(body, EXEC_FORM_RUN, &parsed, &err) ||
        create_and_run(request, create_body, &parsed, &reply, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 201, reply);
    }
    json_decref(create_body);
}
