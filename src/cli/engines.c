/* engines: what isolates sandboxes on that server. */
#include "cli/session.h"

#include <unistd.h>

static void add_engine(struct table *table, const json_t *engine)
{
    const json_t *capabilities = json_object_get(engine, "capabilities");
    bool usable = json_is_true(json_object_get(engine, "usable"));
    bool saves = json_is_true(json_object_get(capabilities, "memory_snapshot"));
    const char *reason =
        usable ? json_text(capabilities, "memory_snapshot_problem") : json_text(engine, "problem");
    const char *cells[] = {json_text(engine, "id"),    usable ? "yes" : "no",
                           json_text(engine, "accel"), saves ? "with memory" : "files",
                           *reason ? reason : "-",     json_text(engine, "isolation")};
    table_add(table, cells);
}

int command_engines(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_open(&client, &err) || client_call(&client, "GET", "/engines", NULL, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    struct table table = {
        .column_count = 6,
        .headings = {"ENGINE", "USABLE", "ACCEL", "SNAPSHOTS", "REASON", "ISOLATION"}};
    size_t index;
    json_t *engine;
    json_array_foreach(reply_data(reply), index, engine)
    {
        add_engine(&table, engine);
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
    return EXIT_OK;
}
