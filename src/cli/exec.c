/* exec and run: a command in an existing sandbox, or in one made for it. */
#include "base/cleanup.h"
#include "cli/create_options.h"
#include "cli/exec_stream.h"
#include "cli/session.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Longest time that the API lets a command run; a person who wants less says so. */
enum { COMMAND_TIMEOUT_SEC = 86400 };

/* One word is a shell command; several are the argument vector as it is. */
static int add_command(const struct command *command, char **words, int count, json_t *body)
{
    if (count == 1) {
        json_object_set_new(body, "command", json_string(words[0]));
    } else {
        json_t *arguments = json_array();
        for (int i = 1; i < count; i++) {
            json_array_append_new(arguments, json_string(words[i]));
        }
        json_object_set_new(body, "cmd", json_string(words[0]));
        json_object_set_new(body, "args", arguments);
    }
    for (int i = 0; i < count; i++) {
        auto_json json_t *word = json_string(words[i]);
        if (!word) {
            return usage_error(command, "the command is not valid UTF-8");
        }
    }
    return EXIT_OK;
}

static int make_body(const struct command *command, const struct arguments *arguments,
                     int first_word, json_t *body)
{
    add_text(arguments, "cwd", body, "cwd");
    add_text(arguments, "user", body, "user");
    json_object_set_new(body, "timeout", json_integer(COMMAND_TIMEOUT_SEC));
    int code = add_duration(command, arguments, "timeout", body, "timeout");
    code = code ? code : add_pairs(command, arguments, "env", body, "env");
    return code ? code
                : add_command(command, arguments->operands + first_word,
                              arguments->operand_count - first_word, body);
}

/* Nothing is forwarded from /dev/null or a closed descriptor. */
static bool has_input(const struct arguments *arguments)
{
    struct stat status;
    if (arguments_has(arguments, "no-stdin") || fstat(STDIN_FILENO, &status)) {
        return false;
    }
    bool is_null = S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
    return !is_null;
}

static int run_command(struct client *client, const char *sandbox_id, json_t *body,
                       bool forward_stdin, int signal_fd)
{
    int exit_code = EXIT_API_ERROR;
    struct error err = {0};
    if (exec_stream(client, sandbox_id, body, forward_stdin, signal_fd, &exit_code, &err)) {
        return report_error(&err, false);
    }
    if (exit_code == EXIT_TIMED_OUT) {
        fputs("atoll: the command ran out of time and was killed\n", stderr);
    }
    return exit_code;
}

/* What the program exits with after a captured command. */
static int captured_exit_code(const json_t *exec)
{
    int64_t code = json_number(exec, "exit_code");
    if (json_is_true(json_object_get(exec, "timed_out"))) {
        return EXIT_TIMED_OUT;
    }
    return code < 0 ? EXIT_API_ERROR : (int)code;
}

/* The captured form: prints the API's reply. */
static int run_captured(struct client *client, const char *sandbox_id, const json_t *body)
{
    char path[128];
    struct error err = {0};
    auto_json json_t *reply = NULL;
    snprintf(path, sizeof path, "/sandboxes/%s/exec", sandbox_id);
    if (client_call(client, "POST", path, body, &reply, &err)) {
        return report_error(&err, true);
    }
    int printed = print_json(reply_data(reply));
    return printed ? printed : captured_exit_code(reply_data(reply));
}

/* The detached form: starts a job and prints the sandbox's id, if that is news, and the job's. */
static int run_detached(struct client *client, const char *sandbox_id, bool show_sandbox,
                        json_t *body, const struct arguments *arguments)
{
    char path[128];
    struct error err = {0};
    auto_json json_t *reply = NULL;
    bool json = arguments_has(arguments, "json");
    if (!arguments_has(arguments, "timeout")) {
        json_object_del(body, "timeout");
    }
    snprintf(path, sizeof path, "/sandboxes/%s/processes", sandbox_id);
    if (client_call(client, "POST", path, body, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    printf("%s%s%s\n", show_sandbox ? sandbox_id : "", show_sandbox ? "\t" : "",
           json_text(reply_data(reply), "id"));
    return EXIT_OK;
}

int command_exec(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json");
    auto_json json_t *body = json_object();
    int code = make_body(command, arguments, 1, body);
    if (code) {
        return code;
    }
    char id[64];
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err) ||
        sandbox_resolve(&client, arguments->operands[0], id, sizeof id, &err)) {
        return report_error(&err, json);
    }
    if (arguments_has(arguments, "detach")) {
        add_text(arguments, "name", body, "name");
        return run_detached(&client, id, false, body, arguments);
    }
    if (json) {
        return run_captured(&client, id, body);
    }
    auto_close int signal_fd = exec_signals_open(&err);
    if (signal_fd < 0) {
        return report_error(&err, json);
    }
    return run_command(&client, id, body, has_input(arguments), signal_fd);
}

/* Makes the sandbox, runs, and removes it again unless it is to be kept. */
static int run_in_new(struct client *client, const struct arguments *arguments, json_t *sandbox,
                      json_t *body)
{
    struct error err = {0};
    auto_json json_t *reply = NULL;
    /* From the start, so that an interrupt cannot come between create and remove. */
    auto_close int signal_fd = exec_signals_open(&err);
    if (signal_fd < 0 || client_call(client, "POST", "/sandboxes", sandbox, &reply, &err)) {
        return report_error(&err, false);
    }
    char id[64];
    char path[128];
    snprintf(id, sizeof id, "%s", json_text(reply_data(reply), "id"));
    int exit_code = run_command(client, id, body, has_input(arguments), signal_fd);
    if (arguments_has(arguments, "keep")) {
        fprintf(stderr, "kept: %s\n", id);
        return exit_code;
    }
    snprintf(path, sizeof path, "/sandboxes/%s", id);
    if (client_call(client, "DELETE", path, NULL, NULL, &err)) {
        error_prefix(&err, "remove %s", id);
        report_error(&err, false);
    }
    return exit_code;
}

/* Makes the sandbox and leaves the command running in it. */
static int run_detached_in_new(struct client *client, const struct arguments *arguments,
                               json_t *sandbox, json_t *body)
{
    char id[64];
    struct error err = {0};
    auto_json json_t *reply = NULL;
    if (client_call(client, "POST", "/sandboxes", sandbox, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    snprintf(id, sizeof id, "%s", json_text(reply_data(reply), "id"));
    return run_detached(client, id, true, body, arguments);
}

/* POST /sandboxes/run in one request, then remove. */
static int run_fused(struct client *client, const struct arguments *arguments, json_t *sandbox,
                     json_t *body)
{
    struct error err = {0};
    auto_json json_t *reply = NULL;
    json_object_update(sandbox, body);
    if (client_call(client, "POST", "/sandboxes/run", sandbox, &reply, &err)) {
        return report_error(&err, true);
    }
    int printed = print_json(reply);
    char path[128];
    snprintf(path, sizeof path, "/sandboxes/%s", json_text(reply_data(reply), "id"));
    if (!arguments_has(arguments, "keep") &&
        client_call(client, "DELETE", path, NULL, NULL, &err)) {
        report_error(&err, true);
    }
    return printed ? printed : captured_exit_code(json_object_get(reply, "exec"));
}

int command_run(const struct command *command, const struct arguments *arguments)
{
    auto_json json_t *sandbox = json_object();
    auto_json json_t *body = json_object();
    int code = create_options_add(command, arguments, sandbox);
    code = code ? code : make_body(command, arguments, 0, body);
    if (code) {
        return code;
    }
    bool json = arguments_has(arguments, "json");
    bool detach = arguments_has(arguments, "detach");
    bool keep = arguments_has(arguments, "keep") || detach;
    json_object_set_new(sandbox, "wait", json_true());
    json_object_set_new(sandbox, "persistent", json_boolean(keep));
    /* A sandbox must outlive its command. */
    if (!detach) {
        json_object_set(sandbox, "timeout_sec", json_object_get(body, "timeout"));
    }
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, json);
    }
    if (detach) {
        return run_detached_in_new(&client, arguments, sandbox, body);
    }
    return json ? run_fused(&client, arguments, sandbox, body)
                : run_in_new(&client, arguments, sandbox, body);
}
