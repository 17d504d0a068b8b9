#include "cli/publish.h"

#include <string.h>
#include <unistd.h>

int add_count(const struct command *command, const struct arguments *arguments, const char *option,
              int64_t max, json_t *body, const char *member)
{
    const char *text = arguments_value(arguments, option);
    int64_t number;
    if (!text) {
        return EXIT_OK;
    }
    if (number_parse(text, 1, max, &number)) {
        return usage_error(command, "--%s needs a whole number from 1 to %lld, not '%s'", option,
                           (long long)max, text);
    }
    json_object_set_new(body, member, json_integer(number));
    return EXIT_OK;
}

static int print_reply(const struct arguments *arguments, json_t *reply, const char *member)
{
    json_t *data = reply_data(reply);
    if (arguments_has(arguments, "json") || !member) {
        return print_json(data);
    }
    const char *text = json_text(data, member);
    print_safe(stdout, *text ? text : json_text(reply, member));
    putchar('\n');
    return EXIT_OK;
}

int call_and_print(const struct arguments *arguments, struct client *client, const char *method,
                   const char *path, const json_t *body, const char *member)
{
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_call(client, method, path, body, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return print_reply(arguments, reply, member);
}

int sandbox_call_and_print(const struct arguments *arguments, struct client *client,
                           const char *method, const char *reference, const char *suffix,
                           const json_t *body, const char *member)
{
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (sandbox_call(client, method, reference, suffix, body, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return print_reply(arguments, reply, member);
}

/* A member as a cell; numbers are written into text. */
static const char *cell_of(const json_t *object, const char *member, char text[32])
{
    const json_t *value = json_object_get(object, member);
    if (json_is_integer(value)) {
        snprintf(text, 32, "%lld", (long long)json_integer_value(value));
        return text;
    }
    if (json_is_boolean(value)) {
        return json_is_true(value) ? "yes" : "no";
    }
    return json_string_length(value) > 0 ? json_string_value(value) : "-";
}

int print_objects(const json_t *objects, const char *const *members, const char *const *headings)
{
    struct table table = {0};
    for (; headings[table.column_count]; table.column_count++) {
        table.headings[table.column_count] = headings[table.column_count];
    }
    size_t index;
    json_t *object;
    json_array_foreach((json_t *)objects, index, object)
    {
        const char *cells[TABLE_COLUMNS_MAX];
        char numbers[TABLE_COLUMNS_MAX][32];
        for (int i = 0; i < table.column_count; i++) {
            cells[i] = cell_of(object, members[i], numbers[i]);
        }
        table_add(&table, cells);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
    return EXIT_OK;
}
