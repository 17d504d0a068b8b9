#include "cli/session.h"

#include <string.h>

/* Prints the sandbox's new state: the object when json, else "sbx_… paused". */
static int print_state(json_t *reply, const char *reference, const char *otherwise, bool json)
{
    json_t *sandbox = reply_data(reply);
    if (json) {
        return print_json(sandbox);
    }
    const char *state = json_text(sandbox, "state");
    printf("%s %s\n", reference, *state ? state : otherwise);
    return EXIT_OK;
}

/* Does the same to every sandbox named; goes on after a failure and returns the first one's code.
 */
static int each_sandbox(const struct arguments *arguments, const char *method, const char *suffix,
                        const char *state)
{
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, json);
    }
    int exit_code = EXIT_OK;
    for (int i = 0; i < arguments->operand_count; i++) {
        auto_json json_t *reply = NULL;
        const char *reference = arguments->operands[i];
        int code = sandbox_call(&client, method, reference, suffix, NULL, &reply, &err)
                       ? report_error(&err, json)
                       : print_state(reply, reference, state, json);
        exit_code = exit_code ? exit_code : code;
    }
    return exit_code;
}

int command_pause(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    return each_sandbox(arguments, "POST", "/pause", "paused");
}

int command_resume(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    return each_sandbox(arguments, "POST", "/resume", "running");
}

int command_stop(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    return each_sandbox(arguments, "POST", "/stop", "stopped");
}

int command_remove(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    return each_sandbox(arguments, "DELETE", "", "destroyed");
}

int command_extend(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json");
    auto_json json_t *body = json_object();
    if (arguments->operand_count > 1) {
        int64_t seconds;
        if (duration_parse(arguments->operands[1], &seconds)) {
            return usage_error(command, "'%s' is not a duration such as 900 or 15m",
                               arguments->operands[1]);
        }
        json_object_set_new(body, "timeout_sec", json_integer(seconds));
    }
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_open(&client, &err) ||
        sandbox_call(&client, "POST", arguments->operands[0], "/extend", body, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    char left[32];
    duration_text(json_number(reply_data(reply), "timeout_remaining_ms") / 1000, left);
    printf("%s %s left\n", arguments->operands[0], left);
    return EXIT_OK;
}
