/* ps and kill: the jobs of a sandbox. */
#include "cli/jobs.h"

#include "cli/session.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_alive(const json_t *job)
{
    const char *status = json_text(job, "status");
    return strcmp(status, "running") == 0 || strcmp(status, "restarting") == 0;
}

static int fetch_jobs(struct client *client, const char *sandbox_id, json_t **ret_reply,
                      struct error *err)
{
    char path[128];
    snprintf(path, sizeof path, "/sandboxes/%s/processes", sandbox_id);
    return client_call(client, "GET", path, NULL, ret_reply, err);
}

int job_resolve(struct client *client, const char *sandbox_id, const char *reference, char *id,
                size_t size, struct error *err)
{
    if (reference && (strncmp(reference, "job_", 4) == 0 ||
                      strspn(reference, "0123456789") == strlen(reference))) {
        snprintf(id, size, "%s", reference);
        return 0;
    }
    auto_json json_t *reply = NULL;
    if (fetch_jobs(client, sandbox_id, &reply, err)) {
        return -1;
    }
    const json_t *found = NULL;
    size_t index;
    json_t *job;
    json_array_foreach(reply_data(reply), index, job)
    {
        bool matches = !reference || strcmp(json_text(job, "name"), reference) == 0;
        if (matches && (!reference || !found || is_alive(job) || !is_alive(found))) {
            found = job;
        }
    }
    if (!found) {
        error_set(err, ERR_PROCESS_NOT_FOUND, 0,
                  reference ? "no job is named '%s'" : "no job%s yet", reference ? reference : "");
        return error_hint(err, "List the jobs with 'atoll ps'.");
    }
    snprintf(id, size, "%s", json_text(found, "id"));
    return 0;
}

static void add_row(struct table *table, const json_t *job)
{
    char pid[32], age[32], status[64];
    int64_t started = timestamp_seconds(json_text(job, "started_at"));
    snprintf(pid, sizeof pid, "%lld", (long long)json_number(job, "pid"));
    snprintf(status, sizeof status, "%s", json_text(job, "status"));
    if (strcmp(status, "exited") == 0) {
        snprintf(status, sizeof status, "exited %lld", (long long)json_number(job, "exit_code"));
    }
    const char *name = json_text(job, "name");
    const char *cells[] = {json_text(job, "id"),
                           *name ? name : "-",
                           status,
                           pid,
                           started < 0 ? "-" : duration_text(time(NULL) - started, age),
                           json_text(job, "command")};
    table_add(table, cells);
}

int command_ps(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    char id[64];
    if (client_open(&client, &err) ||
        sandbox_resolve(&client, arguments->operands[0], id, sizeof id, &err) ||
        fetch_jobs(&client, id, &reply, &err)) {
        return report_error(&err, json);
    }
    if (json) {
        return print_json(reply_data(reply));
    }
    struct table table = {.column_count = 6,
                          .headings = {"ID", "NAME", "STATUS", "PID", "STARTED", "COMMAND"}};
    size_t index;
    json_t *job;
    json_array_foreach(reply_data(reply), index, job)
    {
        if (is_alive(job) || arguments_has(arguments, "all")) {
            add_row(&table, job);
        }
    }
    table_print(&table, isatty(STDOUT_FILENO));
    table_free(&table);
    return EXIT_OK;
}

/* Stops it, or only sends the signal that was asked for. */
static int end_job(struct client *client, const struct arguments *arguments, const char *sandbox_id,
                   const char *job_id, json_t **ret_reply, struct error *err)
{
    const char *signal = arguments_value(arguments, "signal");
    auto_json json_t *body = json_object();
    char path[192];
    if (signal) {
        int64_t number;
        json_object_set_new(body, "signal",
                            number_parse(signal, 1, 64, &number) ? json_string(signal)
                                                                 : json_integer(number));
    }
    snprintf(path, sizeof path, "/sandboxes/%s/processes/%s/%s", sandbox_id, job_id,
             signal ? "signal" : "stop");
    return client_call(client, "POST", path, body, ret_reply, err);
}

int command_kill(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    auto_client struct client client = {0};
    struct error err = {0};
    char sandbox_id[64], job_id[80];
    if (client_open(&client, &err) ||
        sandbox_resolve(&client, arguments->operands[0], sandbox_id, sizeof sandbox_id, &err)) {
        return report_error(&err, json);
    }
    int exit_code = EXIT_OK;
    for (int i = 1; i < arguments->operand_count; i++) {
        auto_json json_t *reply = NULL;
        const char *reference = arguments->operands[i];
        int code = EXIT_OK;
        if (job_resolve(&client, sandbox_id, reference, job_id, sizeof job_id, &err) ||
            end_job(&client, arguments, sandbox_id, job_id, &reply, &err)) {
            code = report_error(&err, json);
        } else if (json) {
            code = print_json(reply_data(reply));
        } else {
            const char *status = json_text(reply_data(reply), "status");
            printf("%s %s\n", reference, *status ? status : "signalled");
        }
        exit_code = exit_code ? exit_code : code;
    }
    return exit_code;
}
