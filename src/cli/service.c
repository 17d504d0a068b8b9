/* service: named jobs that are started again. */
#include "cli/jobs.h"
#include "cli/session.h"

#include <string.h>
#include <unistd.h>

struct service_action {
    const char *verb;
    int operands_min, operands_max; /* verb included */
    const char *expected;
};

static const struct service_action actions[] = {
    {"ls", 2, 2, "ls SANDBOX"},
    {"add", 4, -1, "add SANDBOX NAME COMMAND [ARGUMENT...]"},
    {"start", 3, 3, "start SANDBOX NAME"},
    {"stop", 3, 3, "stop SANDBOX NAME"},
    {"restart", 3, 3, "restart SANDBOX NAME"},
    {"rm", 3, 3, "rm SANDBOX NAME"},
    {"logs", 3, 3, "logs SANDBOX NAME"},
};

static const struct service_action *find_action(const char *verb)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].verb, verb) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

/* One word is a shell command; several are the argument vector as it is. */
static json_t *command_json(const struct arguments *arguments)
{
    if (arguments->operand_count == 4) {
        return json_string(arguments->operands[3]);
    }
    json_t *words = json_array();
    for (int i = 3; i < arguments->operand_count; i++) {
        json_array_append_new(words, json_string(arguments->operands[i]));
    }
    return words;
}

static int make_body(const struct command *command, const struct arguments *arguments, json_t *body)
{
    json_object_set_new(body, "name", json_string(arguments->operands[2]));
    json_object_set_new(body, "command", command_json(arguments));
    add_text(arguments, "cwd", body, "cwd");
    add_text(arguments, "user", body, "user");
    return add_pairs(command, arguments, "env", body, "env");
}

static void print_services(const json_t *reply)
{
    struct table table = {.column_count = 5,
                          .headings = {"NAME", "STATUS", "PID", "RESTARTS", "COMMAND"}};
    size_t index;
    json_t *service;
    json_array_foreach(json_object_get(reply, "data"), index, service)
    {
        char pid[32], restarts[32];
        snprintf(pid, sizeof pid, "%lld", (long long)json_number(service, "pid"));
        snprintf(restarts, sizeof restarts, "%lld", (long long)json_number(service, "restarts"));
        const char *cells[] = {json_text(service, "name"), json_text(service, "status"),
                               json_is_null(json_object_get(service, "pid")) ? "-" : pid, restarts,
                               json_text(service, "command")};
        table_add(&table, cells);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
}

/* Where the action's request goes. */
static int make_path(const struct arguments *arguments, const char *sandbox_id, const char *verb,
                     struct buffer *path)
{
    if (buffer_printf(path, "/sandboxes/%s/services", sandbox_id)) {
        return -1;
    }
    if (strcmp(verb, "ls") == 0 || strcmp(verb, "add") == 0) {
        return 0;
    }
    if (buffer_append(path, "/", 1) || url_escape(path, arguments->operands[2])) {
        return -1;
    }
    bool is_bare = strcmp(verb, "rm") == 0 || strcmp(verb, "logs") == 0;
    return is_bare ? 0 : buffer_printf(path, "/%s", verb);
}

static int print_logs(struct client *client, const char *path, bool json)
{
    char position[64];
    struct error err = {0};
    return logs_print(client, path, 1000, json, position, sizeof position, &err)
               ? report_error(&err, json)
               : EXIT_OK;
}

static int send_action(struct client *client, const char *verb, const char *path,
                       const json_t *body, bool json)
{
    auto_json json_t *reply = NULL;
    struct error err = {0};
    const char *method = strcmp(verb, "ls") == 0   ? "GET"
                         : strcmp(verb, "rm") == 0 ? "DELETE"
                                                   : "POST";
    if (client_call(client, method, path, body, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    if (strcmp(verb, "ls") == 0) {
        print_services(reply);
    } else {
        printf("%s %s\n", json_text(reply_data(reply), "name"),
               json_text(reply_data(reply), "status"));
    }
    return EXIT_OK;
}

int command_service(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json");
    const char *verb = arguments->operands[0];
    const struct service_action *action = find_action(verb);
    int count = arguments->operand_count;
    if (!action) {
        return usage_error(
            command, "unknown action '%s': use ls, add, start, stop, restart, rm or logs", verb);
    }
    if (count < action->operands_min ||
        (action->operands_max > 0 && count > action->operands_max)) {
        return usage_error(command, "expected: %s", action->expected);
    }
    auto_json json_t *body = NULL;
    if (strcmp(verb, "add") == 0) {
        body = json_object();
        int code = make_body(command, arguments, body);
        if (code) {
            return code;
        }
    }
    auto_client struct client client = {0};
    auto_buffer struct buffer path = BUFFER_INIT(1024);
    struct error err = {0};
    char sandbox_id[64];
    if (client_open(&client, &err) ||
        sandbox_resolve(&client, arguments->operands[1], sandbox_id, sizeof sandbox_id, &err)) {
        return report_error(&err, json);
    }
    if (make_path(arguments, sandbox_id, verb, &path)) {
        return usage_error(command, "the name is too long");
    }
    return strcmp(verb, "logs") == 0 ? print_logs(&client, path.data, json)
                                     : send_action(&client, verb, path.data, body, json);
}
