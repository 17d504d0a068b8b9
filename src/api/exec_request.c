#include "api/exec_request.h"

#include "api/body_fields.h"
#include "app/environment.h"
#include "base/base64.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum {
    COMMANDS_COMMAND_MAX_BYTES = 65536,
    COMMANDS_STDIN_MAX_BYTES = 32768,
    COMMANDS_TIMEOUT_MAX_MS = 600 * 1000,
    COMMANDS_TIMEOUT_DEFAULT_MS = 60 * 1000,
    USER_MAX_BYTES = 64,
};

/* A job may run for long, but not so long that the agent cannot count it in 32 bits. */
static const int64_t job_timeout_max_ms = 24LL * 86400 * 1000;

/* --- the argument vector --- */

static int add_argument(struct exec_request *request, size_t index, const char *text,
                        const char *field, struct error *err)
{
    if (strlen(text) >= EXEC_STRING_MAX_BYTES) {
        error_set_field(err, ERR_VALIDATION, field, "%s has an argument longer than %d bytes",
                        field, EXEC_STRING_MAX_BYTES - 1);
        return error_hint(err, "Write it to a file in the sandbox and run that file.");
    }
    request->arguments[index] = text;
    return 0;
}

static int new_arguments(struct exec_request *request, size_t count, struct error *err)
{
    if (count > AGENT_ARGUMENTS_MAX) {
        return error_set_field(err, ERR_VALIDATION, "command", "more than %d arguments",
                               AGENT_ARGUMENTS_MAX);
    }
    request->arguments = calloc(count + 1, sizeof(*request->arguments));
    return request->arguments ? 0 : error_set(err, ERR_INTERNAL, 0, "no memory for a command");
}

/* program (or NULL) and then the strings of the array list. */
static int vector_arguments(struct exec_request *request, const char *program, json_t *list,
                            const char *field, struct error *err)
{
    size_t offset = program ? 1 : 0;
    if (new_arguments(request, json_array_size(list) + offset, err)) {
        return -1;
    }
    if (program && add_argument(request, 0, program, field, err)) {
        return -1;
    }
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item)) {
            return error_set_field(err, ERR_VALIDATION, field, "%s[%zu] must be a string", field,
                                   i);
        }
        if (add_argument(request, offset + i, json_string_value(item), field, err)) {
            return -1;
        }
    }
    if (!request->arguments[0] || !request->arguments[0][0]) {
        return error_set_field(err, ERR_VALIDATION, field, "%s must begin with a program", field);
    }
    return 0;
}

static int shell_arguments(struct exec_request *request, const char *command, const char *field,
                           struct error *err)
{
    if (!command[0]) {
        return error_set_field(err, ERR_VALIDATION, field, "%s must not be empty", field);
    }
    if (new_arguments(request, 3, err)) {
        return -1;
    }
    request->arguments[0] = "/bin/bash";
    request->arguments[1] = "-c";
    request->typed = command;
    return add_argument(request, 2, command, field, err);
}

/* command, cmd or argv; each a shell command, a program beside "args", or an array. */
static int parse_arguments(json_t *body, struct exec_request *request, struct error *err)
{
    static const char *const names[] = {"command", "cmd", "argv"};
    const char *field = NULL;
    json_t *value = NULL;
    for (size_t i = 0; i < 3 && !value; i++) {
        field = names[i];
        value = body_member(body, field);
    }
    if (!value) {
        return error_set_field(err, ERR_MISSING_PARAM, "command", "command is missing");
    }
    if (json_is_array(value)) {
        return vector_arguments(request, NULL, value, field, err);
    }
    if (!json_is_string(value)) {
        return error_set_field(err, ERR_VALIDATION, field,
                               "%s must be a string or an array of strings", field);
    }
    json_t *args = body_member(body, "args");
    if (!args) {
        return shell_arguments(request, json_string_value(value), field, err);
    }
    if (!json_is_array(args)) {
        return error_set_field(err, ERR_VALIDATION, "args", "args must be an array of strings");
    }
    return vector_arguments(request, json_string_value(value), args, "args", err);
}

/* --- times --- */

static int timeout_refused(const char *field, int64_t max_ms, struct error *err)
{
    return error_set_field(err, ERR_TIMEOUT_TOO_LONG, field, "%s is longer than %lld seconds",
                           field, (long long)(max_ms / 1000));
}

/* Takes the member, when it is there, as a number of units of unit_ms milliseconds. */
static int parse_timeout(json_t *body, const char *field, int64_t unit_ms, int64_t max_ms,
                         int64_t *timeout_ms, struct error *err)
{
    json_t *value = body_member(body, field);
    if (!value) {
        return 0;
    }
    double units = json_number_value(value);
    if (!json_is_number(value) || !(units > 0)) {
        return error_set_field(err, ERR_VALIDATION, field, "%s must be a number above 0", field);
    }
    if (units > (double)max_ms / (double)unit_ms) {
        return timeout_refused(field, max_ms, err);
    }
    double milliseconds = units * (double)unit_ms;
    *timeout_ms = (int64_t)milliseconds;
    *timeout_ms += (double)*timeout_ms < milliseconds ? 1 : 0;
    return 0;
}

static int parse_times(json_t *body, enum exec_form form, struct exec_request *request,
                       struct error *err)
{
    int64_t max_ms = form == EXEC_FORM_COMMANDS ? COMMANDS_TIMEOUT_MAX_MS : EXEC_TIMEOUT_MAX_MS;
    request->timeout_ms =
        form == EXEC_FORM_COMMANDS ? COMMANDS_TIMEOUT_DEFAULT_MS : EXEC_TIMEOUT_DEFAULT_MS;
    if (request->detached) {
        max_ms = job_timeout_max_ms;
        request->timeout_ms = 0;
    }
    if (parse_timeout(body, "timeout", 1000, max_ms, &request->timeout_ms, err) ||
        parse_timeout(body, "timeout_seconds", 1000, max_ms, &request->timeout_ms, err) ||
        parse_timeout(body, "timeoutMs", 1, max_ms, &request->timeout_ms, err) ||
        parse_timeout(body, "timeout_ms", 1, max_ms, &request->timeout_ms, err)) {
        return -1;
    }
    if (form == EXEC_FORM_RUN) {
        return 0;
    }
    bool wait;
    int64_t wait_ms;
    if (body_bool(body, "wait", false, &wait, err) ||
        body_int(body, "wait_timeout_ms", 0, EXEC_WAIT_MAX_MS, EXEC_WAIT_DEFAULT_MS, &wait_ms,
                 err)) {
        return -1;
    }
    request->wait_ms = wait ? wait_ms : 0;
    return 0;
}

/* --- everything else --- */

static int parse_cwd(json_t *body, struct exec_request *request, struct error *err)
{
    static const char *const names[] = {"cwd", "working_dir", NULL};
    const char *cwd, *field = NULL;
    if (body_string_any(body, names, &cwd, &field, err)) {
        return -1;
    }
    if (!cwd || !cwd[0]) {
        return 0;
    }
    size_t length = strlen(cwd);
    if (length >= sizeof(request->cwd)) {
        return error_set_field(err, ERR_VALIDATION, field, "%s is longer than %zu bytes", field,
                               sizeof(request->cwd) - 1);
    }
    memcpy(request->cwd, cwd, length + 1);
    return 0;
}

static int check_cwd(const struct exec_request *request, enum exec_form form, struct error *err)
{
    bool may_be_relative = form == EXEC_FORM_COMMANDS || form == EXEC_FORM_JOB;
    if (!may_be_relative && request->cwd[0] && request->cwd[0] != '/') {
        return error_set_field(err, ERR_VALIDATION, "cwd", "cwd must be an absolute path");
    }
    return 0;
}

static int parse_user(json_t *body, struct exec_request *request, struct error *err)
{
    if (body_string(body, "user", &request->user, err)) {
        return -1;
    }
    if (request->user && (!request->user[0] || strlen(request->user) >= USER_MAX_BYTES)) {
        return error_set_field(err, ERR_VALIDATION, "user", "user must be 1 to %d bytes",
                               USER_MAX_BYTES - 1);
    }
    return 0;
}

static int parse_input(json_t *body, struct exec_request *request, struct error *err)
{
    const char *text, *encoded;
    if (body_string(body, "stdin", &text, err) ||
        body_string(body, "stdin_base64", &encoded, err) ||
        body_bool(body, "open_stdin", false, &request->open_stdin, err)) {
        return -1;
    }
    if (text && encoded) {
        return error_set_field(err, ERR_VALIDATION, "stdin_base64",
                               "stdin and stdin_base64 exclude each other");
    }
    if (text) {
        request->input_length = strlen(text);
        request->input = (unsigned char *)strdup(text);
        return request->input ? 0 : error_set(err, ERR_INTERNAL, 0, "no memory for stdin");
    }
    if (encoded &&
        base64_decode_all(encoded, strlen(encoded), &request->input, &request->input_length)) {
        return error_set_field(err, ERR_VALIDATION, "stdin_base64", "stdin_base64 is not base64");
    }
    return 0;
}

static int parse_env(json_t *body, struct exec_request *request, struct error *err)
{
    request->env = body_member(body, "env");
    if (!request->env) {
        return 0;
    }
    if (!json_is_object(request->env)) {
        return error_set_field(err, ERR_VALIDATION, "env", "env must be an object of strings");
    }
    const char *name;
    json_t *value;
    json_object_foreach(request->env, name, value)
    {
        if (!name[0] || strchr(name, '=')) {
            return error_set_field(err, ERR_VALIDATION, "env",
                                   "the name of a variable must not be empty or hold '='");
        }
        if (!json_is_string(value)) {
            return error_set_field(err, ERR_VALIDATION, "env", "env.%s must be a string", name);
        }
        if (strlen(name) + 1 + json_string_length(value) >= EXEC_STRING_MAX_BYTES) {
            return error_set_field(err, ERR_VALIDATION, "env", "env.%s is longer than %d bytes",
                                   name, EXEC_STRING_MAX_BYTES - 1);
        }
    }
    return 0;
}

static bool is_said(json_t *body, const char *name)
{
    json_t *value = body_member(body, name);
    return value && !json_is_false(value);
}

/* What makes a command a detached one, which outlives the request. */
static int parse_detached(json_t *body, enum exec_form form, struct exec_request *request,
                          struct error *err)
{
    bool detached, detach, background, tty;
    if (body_bool(body, "detached", false, &detached, err) ||
        body_bool(body, "detach", false, &detach, err) ||
        body_bool(body, "background", false, &background, err) ||
        body_bool(body, "tty", false, &tty, err)) {
        return -1;
    }
    if (tty) {
        error_set_field(err, ERR_VALIDATION, "tty", "tty is for terminals");
        return error_hint(err, "Open one with POST /sandboxes/{id}/terminal.");
    }
    request->detached = form == EXEC_FORM_JOB || detached || detach || background;
    if (form == EXEC_FORM_COMMANDS) {
        request->detached |=
            is_said(body, "name") || is_said(body, "sudo") || is_said(body, "user");
    }
    if (request->detached && form == EXEC_FORM_RUN) {
        error_set_field(err, ERR_VALIDATION,
                        detached ? "detached"
                        : detach ? "detach"
                                 : "background",
                        "a command of a run cannot be detached");
        return error_hint(err, "Create a sandbox, then POST /sandboxes/{id}/processes.");
    }
    return 0;
}

/* What only jobs have. */
static int parse_job(json_t *body, struct exec_request *request, struct error *err)
{
    bool sudo;
    if (!request->detached) {
        return 0;
    }
    if (body_string(body, "name", &request->name, err) ||
        body_bool(body, "sudo", false, &sudo, err)) {
        return -1;
    }
    if (request->name && (!request->name[0] || strlen(request->name) >= AGENT_NAME_SIZE)) {
        return error_set_field(err, ERR_VALIDATION, "name", "name must be 1 to %d bytes",
                               AGENT_NAME_SIZE - 1);
    }
    if (sudo && request->user && strcmp(request->user, "root") != 0) {
        return error_set_field(err, ERR_VALIDATION, "sudo",
                               "sudo runs it as root: do not name another user");
    }
    request->user = sudo ? "root" : request->user;
    if (request->input_length > AGENT_INPUT_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, "stdin", "stdin is longer than %d bytes",
                               AGENT_INPUT_MAX_BYTES);
    }
    return 0;
}

static int check_commands_limits(json_t *body, const struct exec_request *request,
                                 struct error *err)
{
    const char *command = json_string_value(body_member(body, "command"));
    if (!command) {
        return error_set_field(err,
                               body_member(body, "command") ? ERR_VALIDATION : ERR_MISSING_PARAM,
                               "command", "command must be a string");
    }
    if (strlen(command) > COMMANDS_COMMAND_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, "command", "command is longer than %d bytes",
                               COMMANDS_COMMAND_MAX_BYTES);
    }
    if (request->input_length > COMMANDS_STDIN_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, "stdin", "stdin is longer than %d bytes",
                               COMMANDS_STDIN_MAX_BYTES);
    }
    return 0;
}

int exec_request_parse(json_t *body, enum exec_form form, struct exec_request *request,
                       struct error *err)
{
    if (parse_detached(body, form, request, err) || parse_arguments(body, request, err) ||
        parse_times(body, form, request, err) || parse_cwd(body, request, err) ||
        check_cwd(request, form, err) || parse_user(body, request, err) ||
        parse_input(body, request, err) || parse_env(body, request, err) ||
        parse_job(body, request, err)) {
        return -1;
    }
    return form == EXEC_FORM_COMMANDS ? check_commands_limits(body, request, err) : 0;
}

void exec_request_free(struct exec_request *request)
{
    free(request->arguments);
    free(request->input);
    environment_free(request->environment);
    *request = (struct exec_request){0};
}
