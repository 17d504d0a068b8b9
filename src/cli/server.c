/* templates, key, health, url: about the server rather than one sandbox. */
#include "cli/session.h"

#include <string.h>
#include <unistd.h>

static void add_template(struct table *table, const json_t *template)
{
    char size[64];
    snprintf(size, sizeof size, "%lld cpu, %lld MiB", (long long)json_number(template, "cpu_count"),
             (long long)json_number(template, "memory_mb"));
    const char *name = json_text(template, "name");
    const json_t *ready = json_object_get(template, "ready");
    const char *cells[] = {json_text(template, "id"), *name ? name : "-", size,
                           !ready                ? "-"
                           : json_is_true(ready) ? "yes"
                                                 : "not built"};
    table_add(table, cells);
}

int command_templates(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    const char *path = arguments_has(arguments, "all") ? "/sandbox-templates?include_aliases=true"
                                                       : "/sandbox-templates";
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_open(&client, &err) || client_call(&client, "GET", path, NULL, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    struct table table = {.column_count = 4, .headings = {"ID", "NAME", "SIZE", "READY"}};
    size_t index;
    json_t *template;
    json_array_foreach(reply_data(reply), index, template)
    {
        add_template(&table, template);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
    return EXIT_OK;
}

static int key_create(const struct command *command, const struct arguments *arguments,
                      struct client *client, bool json, struct error *err)
{
    const char *name = arguments->operand_count > 1 ? arguments->operands[1] : "cli";
    auto_json json_t *body = json_pack("{s:s}", "name", name);
    auto_json json_t *reply = NULL;
    if (!body) {
        return usage_error(command, "the name is not valid UTF-8");
    }
    if (client_call(client, "POST", "/api-keys", body, &reply, err)) {
        return report_error(err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    printf("%s\n", json_text(reply_data(reply), "key"));
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "This is the only time that the key is shown.\n");
    }
    return EXIT_OK;
}

static int key_list(struct client *client, bool json, struct error *err)
{
    auto_json json_t *reply = NULL;
    if (client_call(client, "GET", "/api-keys", NULL, &reply, err)) {
        return report_error(err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    struct table table = {.column_count = 5,
                          .headings = {"ID", "NAME", "KEY", "STATUS", "CREATED"}};
    size_t index;
    json_t *key;
    json_array_foreach(reply_data(reply), index, key)
    {
        char shown[128];
        snprintf(shown, sizeof shown, "%s…%s", json_text(key, "key_prefix"),
                 json_text(key, "last_four"));
        const char *cells[] = {json_text(key, "id"), json_text(key, "name"), shown,
                               json_text(key, "status"), json_text(key, "created_at")};
        table_add(&table, cells);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
    return EXIT_OK;
}

static int key_remove(const struct command *command, const struct arguments *arguments,
                      struct client *client, bool json, struct error *err)
{
    if (arguments->operand_count != 2) {
        return usage_error(command, "expected: rm ID");
    }
    auto_buffer struct buffer path = BUFFER_INIT(1024);
    if (buffer_printf(&path, "/api-keys/") || url_escape(&path, arguments->operands[1])) {
        return usage_error(command, "the id is too long");
    }
    auto_json json_t *reply = NULL;
    if (client_call(client, "DELETE", path.data, NULL, &reply, err)) {
        return report_error(err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    printf("%s revoked\n", arguments->operands[1]);
    return EXIT_OK;
}

int command_key(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json");
    const char *verb = arguments->operands[0];
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err)) {
        return report_error(&err, json);
    }
    if (strcmp(verb, "create") == 0) {
        return key_create(command, arguments, &client, json, &err);
    }
    if (strcmp(verb, "ls") == 0) {
        return key_list(&client, json, &err);
    }
    if (strcmp(verb, "rm") == 0) {
        return key_remove(command, arguments, &client, json, &err);
    }
    return usage_error(command, "unknown action '%s': use create, ls or rm", verb);
}

int command_health(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_open(&client, &err) || client_call(&client, "GET", "//health", NULL, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply);
    }
    const char *status = json_text(reply_data(reply), "status");
    printf("%s %s\n", client.url, *status ? status : "ok");
    return EXIT_OK;
}

int command_url(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    struct client client = {0};
    struct error err = {0};
    if (client_configure(&client, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        auto_json json_t *value = json_pack("{s:s}", "url", client.url);
        return print_json(value);
    }
    printf("%s\n", client.url);
    return EXIT_OK;
}
