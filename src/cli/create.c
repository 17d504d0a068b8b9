#include "cli/create_options.h"
#include "cli/session.h"

#include <unistd.h>

static int add_number(const struct command *command, const struct arguments *arguments,
                      const char *option, json_t *body, const char *member)
{
    const char *text = arguments_value(arguments, option);
    int64_t number;
    if (!text) {
        return EXIT_OK;
    }
    if (number_parse(text, 1, INT32_MAX, &number)) {
        return usage_error(command, "--%s needs a positive whole number, not '%s'", option, text);
    }
    json_object_set_new(body, member, json_integer(number));
    return EXIT_OK;
}

int create_shape_add(const struct command *command, const struct arguments *arguments, json_t *body)
{
    add_text(arguments, "engine", body, "engine");
    add_text(arguments, "size", body, "size");
    add_text(arguments, "network", body, "network");
    int code = add_number(command, arguments, "cpu", body, "cpu_count");
    code = code ? code : add_number(command, arguments, "memory", body, "memory_mb");
    return code ? code : add_number(command, arguments, "disk", body, "disk_mb");
}

int create_options_add(const struct command *command, const struct arguments *arguments,
                       json_t *body)
{
    add_text(arguments, "name", body, "name");
    add_text(arguments, "template", body, "template_id");
    int code = create_shape_add(command, arguments, body);
    return code ? code : add_pairs(command, arguments, "env", body, "env");
}

static void add_tags(const struct arguments *arguments, json_t *body)
{
    json_t *tags = json_array();
    int cursor = 0;
    const char *tag;
    while ((tag = arguments_next(arguments, "tag", &cursor))) {
        json_array_append_new(tags, json_string(tag));
    }
    if (json_array_size(tags) > 0) {
        json_object_set(body, "tags", tags);
    }
    json_decref(tags);
}

static int make_body(const struct command *command, const struct arguments *arguments, json_t *body)
{
    int code = create_options_add(command, arguments, body);
    code = code ? code : add_pairs(command, arguments, "metadata", body, "metadata");
    code = code ? code : add_duration(command, arguments, "timeout", body, "timeout_sec");
    code = code ? code : add_duration(command, arguments, "idle-timeout", body, "idle_timeout_sec");
    if (code) {
        return code;
    }
    add_tags(arguments, body);
    add_text(arguments, "snapshot", body, "snapshot_id");
    if (arguments_has(arguments, "ephemeral")) {
        json_object_set_new(body, "persistent", json_false());
    }
    if (arguments_has(arguments, "auto-resume")) {
        json_object_set_new(body, "auto_resume", json_true());
    }
    if (arguments_has(arguments, "files-only")) {
        json_object_set_new(body, "memory", json_false());
    }
    if (arguments_has(arguments, "auto-start")) {
        json_object_set_new(body, "auto_start", json_true());
    }
    json_object_set_new(body, "wait", json_true());
    return EXIT_OK;
}

static void print_created(const json_t *sandbox)
{
    const char *name = json_text(sandbox, "name");
    const char *id = json_text(sandbox, "id");
    printf("%s\n", id);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s after %lld ms; try: atoll exec %s -- uname -a\n",
                json_text(sandbox, "state"), (long long)json_number(sandbox, "boot_ms"),
                *name ? name : id);
    }
}

int command_create(const struct command *command, const struct arguments *arguments)
{
    auto_json json_t *body = json_object();
    int code = make_body(command, arguments, body);
    if (code) {
        return code;
    }
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_open(&client, &err) ||
        client_call(&client, "POST", "/sandboxes", body, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    print_created(reply_data(reply));
    return EXIT_OK;
}
