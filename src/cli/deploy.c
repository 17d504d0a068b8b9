/* deploy, deployments, domain: lasting URLs. */
#include "cli/publish.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { PEM_MAX_BYTES = 64 * 1024 };

const struct option_spec deploy_options[] = {
    {'p', "port", "PORT", "where it listens, instead of the app's port"},
    {'d', "domain", "HOSTNAME", "a host name of your own that leads to it as well"},
    {0, NULL, NULL, NULL},
};

const struct option_spec domain_options[] = {
    {'d', "deployment", "ID", "add, assign: the deployment that it leads to"},
    {0, "certificate", "FILE", "add: PEM file with the certificate chain"},
    {0, "private-key", "FILE", "add: PEM file with its private key"},
    {0, NULL, NULL, NULL},
};

int command_deploy(const struct command *command, const struct arguments *arguments)
{
    auto_json json_t *body = json_pack("{s:s}", "name", arguments->operands[1]);
    if (!body) {
        return usage_error(command, "the name is not valid UTF-8");
    }
    add_text(arguments, "domain", body, "domain");
    int code = add_count(command, arguments, "port", 65535, body, "port");
    if (code) {
        return code;
    }
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return sandbox_call_and_print(arguments, &client, "POST", arguments->operands[0], "/deploy",
                                  body, "url");
}

static int list_all(const struct arguments *arguments, struct client *client, const char *path,
                    const char *const *members, const char *const *headings)
{
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_call(client, "GET", path, NULL, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return arguments_has(arguments, "json") ? print_json(reply_data(reply))
                                            : print_objects(reply_data(reply), members, headings);
}

/* Calls method on "{collection}/{second operand}{action}" and prints the member. */
static int on_one(const struct command *command, const struct arguments *arguments,
                  struct client *client, const char *method, const char *collection,
                  const char *action, const json_t *body, const char *member)
{
    auto_buffer struct buffer path = BUFFER_INIT(2048);
    if (arguments->operand_count != 2) {
        return usage_error(command, "expected: %s", command->operands);
    }
    if (buffer_printf(&path, "%s/", collection) || url_escape(&path, arguments->operands[1]) ||
        buffer_printf(&path, "%s", action)) {
        return usage_error(command, "'%s' is too long", arguments->operands[1]);
    }
    return call_and_print(arguments, client, method, path.data, body, member);
}

int command_deployments(const struct command *command, const struct arguments *arguments)
{
    static const char *const members[] = {"id",         "name", "state",      "url",
                                          "sandbox_id", "port", "created_at", NULL};
    static const char *const headings[] = {"ID",      "NAME", "STATE",   "URL",
                                           "SANDBOX", "PORT", "CREATED", NULL};
    const char *verb = arguments->operands[0];
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (strcmp(verb, "ls") == 0) {
        return list_all(arguments, &client, "/deployments", members, headings);
    }
    if (strcmp(verb, "get") == 0) {
        return on_one(command, arguments, &client, "GET", "/deployments", "", NULL, NULL);
    }
    if (strcmp(verb, "rm") == 0) {
        return on_one(command, arguments, &client, "DELETE", "/deployments", "", NULL, "state");
    }
    return usage_error(command, "unknown action '%s': use ls, get or rm", verb);
}

/* Adds the file's text to body[member] when the option names one. */
static int add_file(const struct arguments *arguments, const char *option, json_t *body,
                    const char *member, struct error *err)
{
    const char *path = arguments_value(arguments, option);
    char *text = NULL;
    if (!path) {
        return 0;
    }
    if (read_file_at(AT_FDCWD, path, PEM_MAX_BYTES, &text) < 0) {
        return error_set(err, ERR_VALIDATION, errno, "read %s", path);
    }
    json_t *value = json_string(text);
    explicit_bzero(text, strlen(text));
    free(text);
    if (!value) {
        return error_set(err, ERR_VALIDATION, 0, "%s is no PEM file", path);
    }
    return json_object_set_new(body, member, value);
}

static int domain_add(const struct command *command, const struct arguments *arguments,
                      struct client *client)
{
    struct error err = {0};
    if (arguments->operand_count != 2) {
        return usage_error(command, "expected: add HOSTNAME");
    }
    auto_json json_t *body = json_pack("{s:s}", "hostname", arguments->operands[1]);
    if (!body) {
        return usage_error(command, "the host name is not valid UTF-8");
    }
    add_text(arguments, "deployment", body, "deployment_id");
    if (add_file(arguments, "certificate", body, "certificate", &err) ||
        add_file(arguments, "private-key", body, "private_key", &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return call_and_print(arguments, client, "POST", "/domains", body, NULL);
}

int command_domain(const struct command *command, const struct arguments *arguments)
{
    static const char *const members[] = {"hostname", "status", "deployment_id", "created_at",
                                          NULL};
    static const char *const headings[] = {"HOSTNAME", "STATUS", "DEPLOYMENT", "CREATED", NULL};
    const char *verb = arguments->operands[0];
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (strcmp(verb, "ls") == 0) {
        return list_all(arguments, &client, "/domains", members, headings);
    }
    if (strcmp(verb, "add") == 0) {
        return domain_add(command, arguments, &client);
    }
    if (strcmp(verb, "verify") == 0) {
        return on_one(command, arguments, &client, "POST", "/domains", "/verify", NULL, "status");
    }
    if (strcmp(verb, "assign") == 0) {
        auto_json json_t *body = json_object();
        add_text(arguments, "deployment", body, "deployment_id");
        return on_one(command, arguments, &client, "POST", "/domains", "/assign", body, "status");
    }
    if (strcmp(verb, "rm") == 0) {
        return on_one(command, arguments, &client, "DELETE", "/domains", "", NULL, "hostname");
    }
    return usage_error(command, "unknown action '%s': use ls, add, verify, assign or rm", verb);
}
