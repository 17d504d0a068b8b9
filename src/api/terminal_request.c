#include "api/terminal_request.h"

#include "api/body_fields.h"
#include "api/body_known.h"
#include "wire/agent_protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_DEFAULT = 24, COLS_DEFAULT = 80 };

/* A login shell: bash where it is, as the contract says. */
static const char default_shell[] = "command -v bash >/dev/null && exec bash -l; exec sh -l";

static int parse_window(json_t *body, struct terminal_request *request, struct error *err)
{
    int64_t rows, cols;
    if (body_int(body, "rows", 1, AGENT_WINDOW_MAX, ROWS_DEFAULT, &rows, err) ||
        body_int(body, "cols", 1, AGENT_WINDOW_MAX, COLS_DEFAULT, &cols, err)) {
        return -1;
    }
    request->rows = (int)rows;
    request->cols = (int)cols;
    return 0;
}

static bool is_one_word(const char *shell)
{
    return shell[strcspn(shell, " \t\n'\"\\$`;&|<>()*?[]#~{}")] == '\0';
}

/* The shell as an argument vector: a program as it is, anything else by sh, which it replaces. */
static json_t *shell_vector(const char *shell)
{
    if (!shell) {
        return json_pack("[s,s,s]", "/bin/sh", "-c", default_shell);
    }
    if (is_one_word(shell)) {
        return json_pack("[s]", shell);
    }
    char line[4096];
    snprintf(line, sizeof(line), "exec %s", shell);
    return json_pack("[s,s,s]", "/bin/sh", "-c", line);
}

/* "command": a shell's command line, a vector, or a program beside "args"; "shell"; or neither. */
static int parse_command(json_t *body, struct terminal_request *request, struct error *err)
{
    json_t *command = body_member(body, "command");
    const char *shell;
    if (body_string(body, "shell", &shell, err)) {
        return -1;
    }
    if (shell && command) {
        return error_set_field(err, ERR_VALIDATION, "shell",
                               "shell and command exclude each other");
    }
    if (shell && (!shell[0] || strlen(shell) > 4000)) {
        return error_set_field(err, ERR_VALIDATION, "shell", "shell must be 1 to 4000 bytes");
    }
    if (!command && body_member(body, "args")) {
        return error_set_field(err, ERR_MISSING_PARAM, "command", "args needs a command");
    }
    const char *text = command ? json_string_value(command) : shell ? shell : "bash -l";
    snprintf(request->shown, sizeof(request->shown), "%s", text ? text : "");
    if (command) {
        json_object_set(request->body, "command", command);
        json_object_set(request->body, "args", body_member(body, "args"));
    } else {
        json_object_set_new(request->body, "argv", shell_vector(shell));
    }
    return 0;
}

/* What a list of people shows of a vector. */
static void show_vector(struct terminal_request *request)
{
    size_t used = 0;
    const char **argument = request->exec.arguments;
    for (; *argument && used < sizeof(request->shown) && !request->shown[used]; argument++) {
        int length = snprintf(request->shown + used, sizeof(request->shown) - used, "%s%s",
                              used ? " " : "", *argument);
        used += length > 0 ? (size_t)length : 0;
    }
}

int terminal_request_parse(json_t *body, struct terminal_request *request, struct error *err)
{
    static const char *const known[] = {"cols", "rows",        "shell", "command", "args",
                                        "cwd",  "working_dir", "env",   "user",    NULL};
    static const char *const passed[] = {"cwd", "working_dir", "env", "user"};
    request->body = json_object();
    if (!request->body) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "read a request");
    }
    if (body_known(body, known, err) || parse_window(body, request, err) ||
        parse_command(body, request, err)) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        json_object_set(request->body, passed[i], body_member(body, passed[i]));
    }
    if (exec_request_parse(request->body, EXEC_FORM_EXEC, &request->exec, err)) {
        return -1;
    }
    if (!request->shown[0]) {
        show_vector(request);
    }
    return 0;
}

static int add_variables(struct terminal_request *request, const struct sandbox_use *use)
{
    static const char *const defaults[][2] = {{"TERM", "xterm-256color"},
                                              {"COLORTERM", "truecolor"}};
    request->env = request->exec.env ? json_copy(request->exec.env) : json_object();
    for (size_t i = 0; i < 2; i++) {
        const char *name = defaults[i][0];
        if (!json_object_get(request->env, name) && !json_object_get(use->env, name) &&
            json_object_set_new(request->env, name, json_string(defaults[i][1]))) {
            return -1;
        }
    }
    request->exec.env = request->env;
    return request->env ? 0 : -1;
}

int terminal_request_resolve(struct terminal_request *request, const struct sandbox_use *use,
                             struct error *err)
{
    if (add_variables(request, use)) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "make a terminal's environment");
    }
    return exec_request_resolve(&request->exec, use, err);
}

void terminal_request_free(struct terminal_request *request)
{
    exec_request_free(&request->exec);
    json_decref(request->body);
    json_decref(request->env);
    request->body = request->env = NULL;
}
