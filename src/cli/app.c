/* app: start, stop and look at the server that a sandbox exists for. */
#include "cli/publish.h"

#include <string.h>
#include <unistd.h>

const struct option_spec app_options[] = {
    {'i', "install", NULL, "start: run the install command first"},
    {0, "install-command", "COMMAND", "start: instead of the template's; implies --install"},
    {'c', "command", "COMMAND", "start: the start command, instead of the template's"},
    {'p', "port", "PORT", "start: where it listens, instead of the template's port"},
    {'w', "cwd", "DIR", "start: directory to run in"},
    {'u', "user", "USER", "start: user to run as"},
    {'e', "env", "KEY=VALUE", "start: environment variable (repeatable)"},
    {0, "start-timeout", "TIME", "start: how long to wait for an answer (default 60s)"},
    {0, "install-timeout", "TIME", "start: how long the installation may take (default 10m)"},
    {0, "restart", NULL, "start: run it again after a failure"},
    {'d', "no-wait", NULL, "start: do not wait until it answers"},
    {0, NULL, NULL, NULL},
};

static int make_body(const struct command *command, const struct arguments *arguments, json_t *body)
{
    add_text(arguments, "install-command", body, "install_command");
    add_text(arguments, "command", body, "start_command");
    add_text(arguments, "cwd", body, "workdir");
    add_text(arguments, "user", body, "user");
    if (arguments_has(arguments, "install")) {
        json_object_set_new(body, "install", json_true());
    }
    if (arguments_has(arguments, "restart")) {
        json_object_set_new(body, "restart", json_true());
    }
    if (arguments_has(arguments, "no-wait")) {
        json_object_set_new(body, "wait", json_false());
    }
    int code = add_count(command, arguments, "port", 65535, body, "port");
    code = code ? code : add_pairs(command, arguments, "env", body, "env");
    code =
        code ? code : add_duration(command, arguments, "start-timeout", body, "start_timeout_sec");
    return code ? code
                : add_duration(command, arguments, "install-timeout", body, "install_timeout_sec");
}

/* Its URL, for scripts; what is to be known beside it goes to standard error. */
static int print_started(const struct arguments *arguments, json_t *reply)
{
    json_t *app = reply_data(reply);
    const char *url = json_text(app, "preview_url");
    if (arguments_has(arguments, "json")) {
        return print_json(app);
    }
    if (*url) {
        print_safe(stdout, url);
        putchar('\n');
    }
    if (!json_is_true(json_object_get(app, "ready"))) {
        fprintf(stderr, "%s, no answer yet; see: atoll app status %s\n", json_text(app, "status"),
                arguments->operands[1]);
    }
    return EXIT_OK;
}

static int app_start(const struct command *command, const struct arguments *arguments,
                     struct client *client)
{
    auto_json json_t *body = json_object();
    auto_json json_t *reply = NULL;
    struct error err = {0};
    int code = make_body(command, arguments, body);
    if (code) {
        return code;
    }
    if (sandbox_call(client, "POST", arguments->operands[1], "/template/start", body, &reply,
                     &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return print_started(arguments, reply);
}

static int app_status(const struct arguments *arguments, struct client *client)
{
    static const char *const members[] = {"status",      "ready",         "preview_port",
                                          "preview_url", "start_command", "exit_code",
                                          "restarts",    "started_at",    NULL};
    static const char *const headings[] = {"STATUS", "READY",    "PORT",    "URL", "COMMAND",
                                           "EXIT",   "RESTARTS", "STARTED", NULL};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (sandbox_call(client, "GET", arguments->operands[1], "/template", NULL, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (arguments_has(arguments, "json")) {
        return print_json(reply_data(reply));
    }
    auto_json json_t *rows = json_pack("[O]", reply_data(reply));
    return print_objects(rows, members, headings);
}

static int app_artifacts(const struct arguments *arguments, struct client *client)
{
    static const char *const members[] = {"path", "size", "modified_at", NULL};
    static const char *const headings[] = {"PATH", "BYTES", "MODIFIED", NULL};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (sandbox_call(client, "GET", arguments->operands[1], "/artifacts", NULL, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (arguments_has(arguments, "json")) {
        return print_json(reply_data(reply));
    }
    return print_objects(json_object_get(reply_data(reply), "artifacts"), members, headings);
}

int command_app(const struct command *command, const struct arguments *arguments)
{
    const char *verb = arguments->operands[0];
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (strcmp(verb, "start") == 0) {
        return app_start(command, arguments, &client);
    }
    if (strcmp(verb, "stop") == 0) {
        return sandbox_call_and_print(arguments, &client, "POST", arguments->operands[1],
                                      "/template/stop", NULL, "status");
    }
    if (strcmp(verb, "status") == 0) {
        return app_status(arguments, &client);
    }
    if (strcmp(verb, "artifacts") == 0) {
        return app_artifacts(arguments, &client);
    }
    return usage_error(command, "unknown action '%s': use start, stop, status or artifacts", verb);
}
