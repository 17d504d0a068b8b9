#include "cli/snapshot_files.h"

#include "base/cleanup.h"
#include "base/ids.h"
#include "cli/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 16 * 1024 };

/* "/snapshots/ID/kind?path=PATH"; 0 or -1 with err. */
static int make_path(struct buffer *request, const char *id, const char *kind, const char *path,
                     struct error *err)
{
    if (buffer_printf(request, "/snapshots/") || url_escape(request, id) ||
        buffer_printf(request, "/%s?path=", kind) || url_escape(request, path)) {
        return error_set(err, ERR_VALIDATION, 0, "the path is too long");
    }
    return 0;
}

/* Asks until the snapshot's files can be read. */
static int list_directory(struct client *client, const char *id, const char *path,
                          json_t **ret_reply, struct error *err)
{
    auto_buffer struct buffer request = BUFFER_INIT(PATH_MAX_BYTES);
    if (make_path(&request, id, "tree", path, err)) {
        return -1;
    }
    while (client_call(client, "GET", request.data, NULL, ret_reply, err) == 0) {
        if (strcmp(json_text(*ret_reply, "status"), "warming") != 0) {
            return 0;
        }
        int64_t wait_ms = json_number(*ret_reply, "retry_after_ms");
        struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
        json_decref(*ret_reply);
        *ret_reply = NULL;
        nanosleep(&pause, NULL);
    }
    return -1;
}

int snapshot_tree(const struct command *command, const struct arguments *arguments,
                  struct client *client)
{
    (void)command;
    static const char *const members[] = {"mode", "type", "size", "path", NULL};
    static const char *const headings[] = {"MODE", "TYPE", "BYTES", "PATH", NULL};
    const char *path = arguments->operand_count > 2 ? arguments->operands[2] : "/";
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (list_directory(client, arguments->operands[1], path, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    json_t *entries = json_object_get(reply_data(reply), "entries");
    return arguments_has(arguments, "json") ? print_json(reply_data(reply))
                                            : print_objects(entries, members, headings);
}

static int download(struct client *client, const char *id, const char *path, int fd,
                    struct error *err)
{
    auto_buffer struct buffer request_path = BUFFER_INIT(PATH_MAX_BYTES);
    auto_json json_t *ready = NULL;
    if (make_path(&request_path, id, "files", path, err) ||
        list_directory(client, id, "/", &ready, err)) {
        return -1;
    }
    struct request request = {
        .method = "GET", .path = request_path.data, .upload_fd = -1, .download_fd = fd};
    return client_send(client, &request, NULL, err);
}

/* A file that could not be fetched whole is not there. */
static int download_to(struct client *client, const char *id, const char *path, const char *local,
                       struct error *err)
{
    auto_close int fd = open(local, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return error_set(err, ERR_BAD_REQUEST, errno, "%s", local);
    }
    int result = download(client, id, path, fd, err);
    if (result) {
        unlink(local);
    }
    return result;
}

int snapshot_get(const struct command *command, const struct arguments *arguments,
                 struct client *client)
{
    const char *id = arguments->operands[1], *path = arguments->operands[2];
    const char *local = arguments->operand_count > 3 ? arguments->operands[3] : NULL;
    struct error err = {0};
    if (!local && isatty(STDOUT_FILENO)) {
        return usage_error(command, "name a file, or redirect the output");
    }
    int result = local ? download_to(client, id, path, local, &err)
                       : download(client, id, path, STDOUT_FILENO, &err);
    return result ? report_error(&err, arguments_has(arguments, "json")) : EXIT_OK;
}

int snapshot_name(const struct command *command, const struct arguments *arguments,
                  struct client *client)
{
    (void)command;
    const char *of = arguments->operands[2];
    auto_json json_t *body = json_pack("{s:s}", "name", arguments->operands[1]);
    struct error err = {0};
    char sandbox_id[ID_SIZE];
    if (id_valid("snp_", of)) {
        json_object_set_new(body, "snapshot_id", json_string(of));
    } else if (sandbox_resolve(client, of, sandbox_id, sizeof(sandbox_id), &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    } else {
        json_object_set_new(body, "sandbox_id", json_string(sandbox_id));
    }
    return call_and_print(arguments, client, "POST", "/named-snapshots", body, "snapshot_id");
}

int snapshot_names(const struct command *command, const struct arguments *arguments,
                   struct client *client)
{
    (void)command;
    static const char *const members[] = {"name",       "snapshot_id", "sandbox_id",
                                          "size_bytes", "created_at",  NULL};
    static const char *const headings[] = {"NAME", "ID", "SANDBOX", "BYTES", "NAMED", NULL};
    auto_json json_t *reply = NULL;
    struct error err = {0};
    if (client_call(client, "GET", "/named-snapshots", NULL, &reply, &err)) {
        return report_error(&err, arguments_has(arguments, "json"));
    }
    return arguments_has(arguments, "json") ? print_json(reply)
                                            : print_objects(reply_data(reply), members, headings);
}

/* Goes on after a failure and returns the first one's code. */
int snapshot_unname(const struct command *command, const struct arguments *arguments,
                    struct client *client)
{
    int exit_code = EXIT_OK;
    for (int i = 1; i < arguments->operand_count; i++) {
        auto_buffer struct buffer path = BUFFER_INIT(PATH_MAX_BYTES);
        if (buffer_printf(&path, "/named-snapshots/") ||
            url_escape(&path, arguments->operands[i])) {
            return usage_error(command, "'%s' is too long", arguments->operands[i]);
        }
        int code = call_and_print(arguments, client, "DELETE", path.data, NULL, "outcome");
        exit_code = exit_code ? exit_code : code;
    }
    return exit_code;
}
