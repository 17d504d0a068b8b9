/* shell: opens a terminal in a sandbox. */
#include "base/cleanup.h"
#include "cli/session.h"
#include "cli/shell_session.h"
#include "cli/tty.h"

struct names {
    char sandbox_id[64], session_id[64];
};

static int add_command(const struct command *command, const struct arguments *arguments,
                       json_t *body)
{
    int count = arguments->operand_count - 1;
    char **words = arguments->operands + 1;
    json_t *rest = json_array();
    for (int i = 1; i < count; i++) {
        if (json_array_append_new(rest, json_string(words[i]))) {
            return usage_error(command, "the command is not valid UTF-8");
        }
    }
    if (count > 0 && json_object_set_new(body, "command", json_string(words[0]))) {
        return usage_error(command, "the command is not valid UTF-8");
    }
    if (count > 1) {
        json_object_set(body, "args", rest);
    }
    json_decref(rest);
    return EXIT_OK;
}

static int make_body(const struct command *command, const struct arguments *arguments, json_t *body)
{
    int rows, cols;
    add_text(arguments, "cwd", body, "cwd");
    add_text(arguments, "user", body, "user");
    if (tty_size(&rows, &cols)) {
        json_object_set_new(body, "rows", json_integer(rows > 1000 ? 1000 : rows));
        json_object_set_new(body, "cols", json_integer(cols > 1000 ? 1000 : cols));
    }
    int code = add_pairs(command, arguments, "env", body, "env");
    return code ? code : add_command(command, arguments, body);
}

/* Opens a terminal, or takes the one that --session names. */
static int find_session(struct names *names, struct client *client,
                        const struct arguments *arguments, const json_t *body, struct error *err)
{
    char path[128];
    auto_json json_t *reply = NULL;
    const char *session = arguments_value(arguments, "session");
    if (sandbox_resolve(client, arguments->operands[0], names->sandbox_id, sizeof names->sandbox_id,
                        err)) {
        return -1;
    }
    if (!session) {
        snprintf(path, sizeof path, "/sandboxes/%s/terminal", names->sandbox_id);
        if (client_call(client, "POST", path, body, &reply, err)) {
            return -1;
        }
        session = json_text(reply, "session_id");
    }
    snprintf(names->session_id, sizeof names->session_id, "%s", session);
    return 0;
}

int command_shell(const struct command *command, const struct arguments *arguments)
{
    auto_json json_t *body = json_object();
    int code = make_body(command, arguments, body);
    if (code) {
        return code;
    }
    struct names names;
    struct error err = {0};
    auto_client struct client client = {0};
    auto_close int signal_fd = shell_signals_open(&err);
    if (signal_fd < 0 || client_open(&client, &err) ||
        find_session(&names, &client, arguments, body, &err) ||
        shell_session_run(&client, names.sandbox_id, names.session_id, signal_fd, &code, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return code;
}
