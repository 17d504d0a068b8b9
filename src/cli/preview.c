/* expose, preview: ports of a sandbox under a URL. */
#include "cli/publish.h"

#include <string.h>
#include <unistd.h>

const struct option_spec preview_options[] = {
    {'P', "public", NULL, "create: for everybody, without a token"},
    {'n', "name", "NAME", "create: what to call it"},
    {'t', "ttl", "TIME", "create, share: for so long, such as 1h"},
    {0, NULL, NULL, NULL},
};

int command_expose(const struct command *command, const struct arguments *arguments)
{
    auto_json json_t *body = json_object();
    if (arguments->operand_count > 1) {
        int64_t port;
        if (number_parse(arguments->operands[1], 1, 65535, &port)) {
            return usage_error(command, "'%s' is no port", arguments->operands[1]);
        }
        json_object_set_new(body, "port", json_integer(port));
    }
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return sandbox_call_and_print(arguments, &client, "POST", arguments->operands[0], "/expose",
                                  body, "url");
}

static int preview_list(const struct arguments *arguments, struct client *client)
{
    static const char *const members[] = {"id",  "name",  "port",       "visibility",
                                          "url", "state", "expires_at", NULL};
    static const char *const headings[] = {"ID",  "NAME",  "PORT",    "VISIBILITY",
                                           "URL", "STATE", "EXPIRES", NULL};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (sandbox_call(client, "GET", arguments->operands[1], "/previews", NULL, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return arguments_has(arguments, "json") ? print_json(reply_data(reply))
                                            : print_objects(reply_data(reply), members, headings);
}

/* The URL that opens it: a private one is made with a first token. */
static int preview_create(const struct command *command, const struct arguments *arguments,
                          struct client *client)
{
    int64_t port;
    if (arguments->operand_count != 3 || number_parse(arguments->operands[2], 1, 65535, &port)) {
        return usage_error(command, "expected: create SANDBOX PORT");
    }
    bool public = arguments_has(arguments, "public");
    auto_json json_t *body = json_pack("{s:I, s:s}", "port", (json_int_t)port, "visibility",
                                       public ? "public" : "private");
    add_text(arguments, "name", body, "name");
    int code = add_duration(command, arguments, "ttl", body, "ttl_seconds");
    return code ? code
                : sandbox_call_and_print(arguments, client, "POST", arguments->operands[1],
                                         "/previews", body, public ? "url" : "share_url");
}

/* "/previews/{id}{action}" of the third operand; "" when it is missing or too long. */
static const char *one_preview(const struct arguments *arguments, const char *action,
                               struct buffer *path)
{
    bool failed = arguments->operand_count != 3 || buffer_printf(path, "/previews/") ||
                  url_escape(path, arguments->operands[2]) || buffer_printf(path, "%s", action) ||
                  path->length > 80;
    return failed ? "" : path->data;
}

static int preview_share(const struct command *command, const struct arguments *arguments,
                         struct client *client)
{
    auto_buffer struct buffer path = BUFFER_INIT(1024);
    const char *suffix = one_preview(arguments, "/share", &path);
    auto_json json_t *body = json_object();
    if (!*suffix) {
        return usage_error(command, "expected: share SANDBOX PREVIEW");
    }
    int code = add_duration(command, arguments, "ttl", body, "ttl_seconds");
    if (code) {
        return code;
    }
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (sandbox_call(client, "POST", arguments->operands[1], suffix, body, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (arguments_has(arguments, "json")) {
        return print_json(reply);
    }
    print_safe(stdout, json_text(reply, "share_url"));
    putchar('\n');
    return EXIT_OK;
}

static int preview_remove(const struct command *command, const struct arguments *arguments,
                          struct client *client)
{
    auto_buffer struct buffer path = BUFFER_INIT(1024);
    const char *suffix = one_preview(arguments, "", &path);
    if (!*suffix) {
        return usage_error(command, "expected: rm SANDBOX PREVIEW");
    }
    return sandbox_call_and_print(arguments, client, "DELETE", arguments->operands[1], suffix, NULL,
                                  "state");
}

int command_preview(const struct command *command, const struct arguments *arguments)
{
    const char *verb = arguments->operands[0];
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    if (strcmp(verb, "ls") == 0) {
        return preview_list(arguments, &client);
    }
    if (strcmp(verb, "create") == 0) {
        return preview_create(command, arguments, &client);
    }
    if (strcmp(verb, "share") == 0) {
        return preview_share(command, arguments, &client);
    }
    if (strcmp(verb, "rm") == 0) {
        return preview_remove(command, arguments, &client);
    }
    return usage_error(command, "unknown action '%s': use ls, create, share or rm", verb);
}
