#include "cli/session.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_LIMIT = 100, PAGES_MAX = 1000 };

static int list_path(const struct arguments *arguments, int page, struct buffer *path)
{
    static const char *const filters[] = {"state", "engine", "search"};
    int failed = buffer_printf(path, "/sandboxes?limit=%d&page=%d", PAGE_LIMIT, page);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const char *value = arguments_value(arguments, filters[i]);
        if (value) {
            failed |= buffer_printf(path, "&%s=", filters[i]) || url_escape(path, value);
        }
    }
    return failed ? -1 : 0;
}

/* Appends every page's rows to *ret_sandboxes. */
static int fetch_all(struct client *client, const struct arguments *arguments, json_t *sandboxes,
                     struct error *err)
{
    for (int page = 1; page <= PAGES_MAX; page++) {
        auto_buffer struct buffer path = BUFFER_INIT(8 * 1024);
        auto_json json_t *reply = NULL;
        if (list_path(arguments, page, &path)) {
            return error_set(err, ERR_VALIDATION, 0, "the filter is too long");
        }
        if (client_call(client, "GET", path.data, NULL, &reply, err)) {
            return -1;
        }
        const json_t *rows = json_object_get(reply, "data");
        json_array_extend(sandboxes, (json_t *)rows);
        const json_t *meta = json_object_get(reply, "meta");
        if (json_array_size(rows) == 0 || !json_is_true(json_object_get(meta, "has_next_page"))) {
            return 0;
        }
    }
    return 0;
}

static void print_names(const json_t *sandboxes, bool names)
{
    size_t index;
    json_t *sandbox;
    json_array_foreach((json_t *)sandboxes, index, sandbox)
    {
        const char *name = json_text(sandbox, "name");
        if (names && *name) {
            printf("%s\n", name);
        }
        printf("%s\n", json_text(sandbox, "id"));
    }
}

static const char *time_left(const json_t *sandbox, char text[32])
{
    const json_t *left = json_object_get(sandbox, "timeout_remaining_ms");
    return json_is_number(left) ? duration_text((int64_t)json_number_value(left) / 1000, text)
                                : "-";
}

static void add_row(struct table *table, const json_t *sandbox)
{
    char size[64];
    char age[32];
    char left[32];
    int64_t created = timestamp_seconds(json_text(sandbox, "created_at"));
    snprintf(size, sizeof size, "%lld cpu, %lld MiB", (long long)json_number(sandbox, "cpu_count"),
             (long long)json_number(sandbox, "memory_mb"));
    const char *name = json_text(sandbox, "name");
    const char *cells[] = {
        json_text(sandbox, "id"),
        *name ? name : "-",
        json_text(sandbox, "state"),
        json_text(sandbox, "engine"),
        json_text(sandbox, "template_id"),
        size,
        created < 0 ? "-" : duration_text(time(NULL) - created, age),
        time_left(sandbox, left),
    };
    table_add(table, cells);
}

static void print_sandboxes(const json_t *sandboxes)
{
    struct table table = {
        .column_count = 8,
        .headings = {"ID", "NAME", "STATE", "ENGINE", "TEMPLATE", "SIZE", "AGE", "TIME LEFT"},
    };
    size_t index;
    json_t *sandbox;
    json_array_foreach((json_t *)sandboxes, index, sandbox)
    {
        add_row(&table, sandbox);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
}

int command_list(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    auto_json json_t *sandboxes = json_array();
    struct error err = {0};
    if (client_open(&client, &err) || fetch_all(&client, arguments, sandboxes, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(sandboxes);
    }
    if (arguments_has(arguments, "quiet") || arguments_has(arguments, "names")) {
        print_names(sandboxes, arguments_has(arguments, "names"));
    } else {
        print_sandboxes(sandboxes);
    }
    return EXIT_OK;
}

/* One line a member that says something; objects and lists as compact JSON. */
static void print_members(json_t *sandbox)
{
    const char *key;
    json_t *value;
    json_object_foreach(sandbox, key, value)
    {
        if (json_is_null(value)) {
            continue;
        }
        printf("%-22s ", key);
        if (json_is_string(value)) {
            print_safe(stdout, json_string_value(value));
        } else {
            json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        }
        putchar('\n');
    }
}

int command_get(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json") || strcmp(command->name, "inspect") == 0;
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_open(&client, &err) ||
        sandbox_call(&client, "GET", arguments->operands[0], "", NULL, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    print_members(reply_data(reply));
    return EXIT_OK;
}
