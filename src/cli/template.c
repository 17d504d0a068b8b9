/* template: what is kept ready of a template. For operators. */
#include "cli/create_options.h"
#include "cli/session.h"

#include <string.h>
#include <unistd.h>

static void add_count(struct table *table, const json_t *pool)
{
    char shape[64], target[24], ready[24], use[48];
    snprintf(shape, sizeof(shape), "%lld cpu, %lld MiB", (long long)json_number(pool, "cpu_count"),
             (long long)json_number(pool, "memory_mb"));
    snprintf(target, sizeof(target), "%lld", (long long)json_number(pool, "target"));
    snprintf(ready, sizeof(ready), "%lld", (long long)json_number(pool, "ready"));
    snprintf(use, sizeof(use), "%lld of %lld", (long long)json_number(pool, "hits"),
             (long long)(json_number(pool, "hits") + json_number(pool, "misses")));
    const char *problem = json_text(pool, "problem");
    const char *cells[] = {
        json_text(pool, "engine"), shape, json_text(pool, "network"), target, ready, use,
        *problem ? problem : "-"};
    table_add(table, cells);
}

static int print_pools(json_t *reply, bool json)
{
    if (json) {
        return print_json(reply_data(reply));
    }
    struct table table = {
        .column_count = 7,
        .headings = {"ENGINE", "SHAPE", "NETWORK", "WANTED", "READY", "CLAIMED", "PROBLEM"}};
    size_t index;
    json_t *pool;
    json_array_foreach(json_object_get(reply_data(reply), "pools"), index, pool)
    {
        add_count(&table, pool);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
    return EXIT_OK;
}

/* NULL when nothing is to be changed. */
static int make_body(const struct command *command, const struct arguments *arguments,
                     json_t **ret_body)
{
    const char *text = arguments_value(arguments, "target");
    int64_t target;
    *ret_body = NULL;
    if (!text) {
        return EXIT_OK;
    }
    if (number_parse(text, 0, INT32_MAX, &target)) {
        return usage_error(command, "--target needs a whole number, not '%s'", text);
    }
    auto_json json_t *body = json_pack("{s:I}", "target", (json_int_t)target);
    int code = create_shape_add(command, arguments, body);
    *ret_body = code ? NULL : json_incref(body);
    return code;
}

int command_template(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json");
    auto_buffer struct buffer path = BUFFER_INIT(1024);
    auto_client struct client client = {0};
    auto_json json_t *body = NULL, *reply = NULL;
    struct error err = {0};
    if (strcmp(arguments->operands[0], "warm-pool") != 0) {
        return usage_error(command, "unknown action '%s': use warm-pool", arguments->operands[0]);
    }
    if (buffer_printf(&path, "/sandbox-templates/") || url_escape(&path, arguments->operands[1]) ||
        buffer_printf(&path, "/warm-pool")) {
        return usage_error(command, "the id is too long");
    }
    int code = make_body(command, arguments, &body);
    if (code) {
        return code;
    }
    if (client_open(&client, &err) ||
        client_call(&client, body ? "PUT" : "GET", path.data, body, &reply, &err)) {
        return report_error(&err, json);
    }
    return print_pools(reply, json);
}
