/* snapshot, fork: saved files of sandboxes, and what is made of them. */
#include "cli/snapshot.h"

#include "cli/publish.h"
#include "cli/snapshot_files.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 1024 };

const struct option_spec snapshot_options[] = {
    {'c', "comment", "TEXT", "create: what it is good for"},
    {0, "keep", NULL, "create: it never expires"},
    {'t', "ttl", "TIME", "create: delete it after 90s, 15m, 2h, 1d"},
    {0, NULL, NULL, NULL},
};

const struct option_spec fork_options[] = {
    {'n', "name", "NAME", "name of the new sandbox"},
    {'s', "snapshot", "ID", "from this snapshot of it, not as it is now"},
    {0, "files-only", NULL, "start new processes on its files, also where memory is saved"},
    {'t', "timeout", "TIME", "pause (or destroy) the new one after 90, 90s, 15m, 2h, 1d"},
    {'e', "env", "KEY=VALUE", "variables in the place of the sandbox's own (repeatable)"},
    {0, NULL, NULL, NULL},
};

static int create(const struct command *command, const struct arguments *arguments,
                  struct client *client)
{
    auto_json json_t *body = json_object();
    add_text(arguments, "comment", body, "comment");
    int code = add_duration(command, arguments, "ttl", body, "expiration_seconds");
    if (code) {
        return code;
    }
    if (arguments_has(arguments, "keep")) {
        json_object_set_new(body, "keep", json_true());
    }
    return sandbox_call_and_print(arguments, client, "POST", arguments->operands[1], "/snapshots",
                                  body, "id");
}

static int print_list(const struct arguments *arguments, json_t *reply)
{
    static const char *const members[] = {"id",         "sandbox_id", "status",  "size_bytes",
                                          "created_at", "expires_at", "comment", NULL};
    static const char *const headings[] = {"ID",      "SANDBOX", "STATUS",  "BYTES",
                                           "CREATED", "EXPIRES", "COMMENT", NULL};
    return arguments_has(arguments, "json") ? print_json(reply_data(reply))
                                            : print_objects(reply_data(reply), members, headings);
}

/* Of one sandbox, or all. */
static int list(const struct command *command, const struct arguments *arguments,
                struct client *client)
{
    (void)command;
    auto_json json_t *reply = NULL;
    struct error err = {0};
    int failed = arguments->operand_count > 1
                     ? sandbox_call(client, "GET", arguments->operands[1], "/snapshots?limit=200",
                                    NULL, &reply, &err)
                     : client_call(client, "GET", "/snapshots?limit=200", NULL, &reply, &err);
    return failed ? report_error(&err, arguments_has(arguments, "json"))
                  : print_list(arguments, reply);
}

/* Goes on after a failure and returns the first one's code. */
static int remove_each(const struct command *command, const struct arguments *arguments,
                       struct client *client)
{
    int exit_code = EXIT_OK;
    for (int i = 1; i < arguments->operand_count; i++) {
        auto_buffer struct buffer path = BUFFER_INIT(PATH_MAX_BYTES);
        if (buffer_printf(&path, "/snapshots/") || url_escape(&path, arguments->operands[i])) {
            return usage_error(command, "'%s' is too long", arguments->operands[i]);
        }
        int code = call_and_print(arguments, client, "DELETE", path.data, NULL, "id");
        exit_code = exit_code ? exit_code : code;
    }
    return exit_code;
}

static int restore(const struct command *command, const struct arguments *arguments,
                   struct client *client)
{
    auto_buffer struct buffer suffix = BUFFER_INIT(PATH_MAX_BYTES);
    if (buffer_printf(&suffix, "/restore/") || url_escape(&suffix, arguments->operands[2])) {
        return usage_error(command, "'%s' is too long", arguments->operands[2]);
    }
    auto_json json_t *body = json_object();
    return sandbox_call_and_print(arguments, client, "POST", arguments->operands[1], suffix.data,
                                  body, "state");
}

static const struct verb {
    const char *name;
    int operands_min, operands_max; /* the verb included; -1: any number */
    int (*run)(const struct command *command, const struct arguments *arguments,
               struct client *client);
} verbs[] = {
    {"create", 2, 2, create},           {"ls", 1, 2, list},
    {"rm", 2, -1, remove_each},         {"restore", 3, 3, restore},
    {"tree", 2, 3, snapshot_tree},      {"get", 3, 4, snapshot_get},
    {"name", 3, 3, snapshot_name},      {"names", 1, 1, snapshot_names},
    {"unname", 2, -1, snapshot_unname},
};

/* NULL: there is no such verb, or not with so many operands. */
static const struct verb *find_verb(const struct arguments *arguments)
{
    int count = arguments->operand_count;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *verb = &verbs[i];
        if (strcmp(verb->name, arguments->operands[0]) == 0) {
            bool fits = count >= verb->operands_min &&
                        (verb->operands_max < 0 || count <= verb->operands_max);
            return fits ? verb : NULL;
        }
    }
    return NULL;
}

int command_snapshot(const struct command *command, const struct arguments *arguments)
{
    const struct verb *verb = find_verb(arguments);
    if (!verb) {
        return usage_error(command, "expected: %s", command->operands);
    }
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return verb->run(command, arguments, &client);
}

int command_fork(const struct command *command, const struct arguments *arguments)
{
    auto_json json_t *body = json_object();
    add_text(arguments, "name", body, "name");
    add_text(arguments, "snapshot", body, "snapshot_id");
    if (arguments_has(arguments, "files-only")) {
        json_object_set_new(body, "memory", json_false());
    }
    int code = add_duration(command, arguments, "timeout", body, "timeout_sec");
    code = code ? code : add_pairs(command, arguments, "env", body, "env");
    if (code) {
        return code;
    }
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return sandbox_call_and_print(arguments, &client, "POST", arguments->operands[0], "/fork", body,
                                  "id");
}
