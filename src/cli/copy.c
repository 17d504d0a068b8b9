#include "cli/copy.h"

#include "cli/session.h"

#include <string.h>

int copy_request_path(struct buffer *buffer, const char *sandbox_id, const char *route,
                      const char *path)
{
    return buffer_printf(buffer, "/sandboxes/%s/%s?path=", sandbox_id, route) ||
                   url_escape(buffer, path)
               ? -1
               : 0;
}

int copy_stat(struct client *client, const char *sandbox_id, const char *path, bool *ret_is_dir,
              int64_t *ret_mode, struct error *err)
{
    char route[128];
    auto_json json_t *body = json_pack("{s:s}", "path", path);
    auto_json json_t *reply = NULL;
    if (!body) {
        return error_set(err, ERR_VALIDATION, 0, "the path is not valid UTF-8");
    }
    snprintf(route, sizeof route, "/sandboxes/%s/files/stat", sandbox_id);
    if (client_call(client, "POST", route, body, &reply, err)) {
        return -1;
    }
    const json_t *stat = reply_data(reply);
    const json_t *mode = json_object_get(stat, "mode");
    *ret_is_dir = json_is_true(json_object_get(stat, "is_dir"));
    *ret_mode = json_is_string(mode) ? strtoll(json_string_value(mode), NULL, 8)
                                     : (int64_t)json_number_value(mode);
    return 0;
}

int copy_join(char *path, const char *directory, const char *name, struct error *err)
{
    size_t length = strlen(directory);
    const char *slash = length && directory[length - 1] == '/' ? "" : "/";
    int used = snprintf(path, COPY_PATH_MAX, "%s%s%s", directory, slash, name);
    return used < COPY_PATH_MAX ? 0 : error_set(err, ERR_VALIDATION, 0, "a path is too long");
}

int copy_name(char *name, const char *path, struct error *err)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    if (end - start >= 256) {
        return error_set(err, ERR_VALIDATION, 0, "a file name is too long");
    }
    memcpy(name, path + start, end - start);
    name[end - start] = 0;
    return 0;
}

/* "NAME:/path" is in a sandbox; a name with a slash before the colon, and ./a:b, are local files.
 */
static int parse_end(struct client *client, const char *text, struct copy_end *ret_end,
                     struct error *err)
{
    const char *colon = strchr(text, ':');
    const char *slash = strchr(text, '/');
    *ret_end = (struct copy_end){.path = text};
    if (!colon || colon == text || (slash && slash < colon)) {
        return 0;
    }
    char name[256];
    if ((size_t)(colon - text) >= sizeof name) {
        return error_set(err, ERR_VALIDATION, 0, "the name of the sandbox is too long");
    }
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = 0;
    if (colon[1] != '/') {
        error_set(err, ERR_VALIDATION, 0, "'%s': the path in a sandbox must be absolute", text);
        return error_hint(err, "write %s:/workspace/%s", name, colon + 1);
    }
    ret_end->path = colon + 1;
    return sandbox_resolve(client, name, ret_end->sandbox_id, sizeof ret_end->sandbox_id, err);
}

static int copy_one(struct client *client, const char *source_text, const struct copy_end *target,
                    bool recursive, struct error *err)
{
    struct copy_end source;
    if (parse_end(client, source_text, &source, err)) {
        return -1;
    }
    if (*source.sandbox_id && *target->sandbox_id) {
        error_set(err, ERR_VALIDATION, 0, "both ends are sandboxes");
        return error_hint(err, "atoll cp A:/file - | atoll cp - B:/file");
    }
    if (!*source.sandbox_id && !*target->sandbox_id) {
        error_set(err, ERR_VALIDATION, 0, "neither end is a sandbox");
        return error_hint(err, "name one end SANDBOX:/path");
    }
    return *source.sandbox_id ? copy_down(client, &source, target->path, recursive, err)
                              : copy_up(client, source.path, target, recursive, err);
}

int command_copy(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    bool json = arguments_has(arguments, "json");
    int source_count = arguments->operand_count - 1;
    struct copy_end target;
    auto_client struct client client = {0};
    struct error err = {0};
    if (client_open(&client, &err) ||
        parse_end(&client, arguments->operands[source_count], &target, &err)) {
        return report_error(&err, json);
    }
    for (int i = 0; i < source_count; i++) {
        const char *source = arguments->operands[i];
        if (copy_one(&client, source, &target, arguments_has(arguments, "recursive"), &err)) {
            return report_error(&err, json);
        }
    }
    if (json) {
        auto_json json_t *done = json_pack("{s:i}", "copied", source_count);
        return print_json(done);
    }
    return EXIT_OK;
}
