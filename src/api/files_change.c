#include "api/files.h"

#include "api/body_fields.h"
#include "api/file_json.h"
#include "api/file_path.h"
#include "api/file_use.h"

enum { DIRECTORY_MODE = 0755 };

/* A change under way: the sandbox, the path at fault and what the body says. */
struct change {
    struct file_use use;
    json_t *body;
    char path[AGENT_PATH_MAX];
    char target[AGENT_PATH_MAX];
    int64_t mode;
};

/* Runs work and answers with its JSON, or the error. */
static void respond_change(struct request *request, int status,
                           json_t *(*work)(struct request *request, struct change *change,
                                           struct error *err))
{
    struct error err = {0};
    struct change change = {.body = request_json(request)};
    json_t *reply = work(request, &change, &err);
    file_use_end(&change.use);
    if (reply) {
        respond_json(request, status, reply);
    } else {
        respond_error(request, &err);
    }
}

/* Takes hold of the sandbox; the path comes from the body or, when that has none, the query. */
static int open_change(struct request *request, struct change *change, struct error *err)
{
    const char *path;
    if (body_string(change->body, "path", &path, err) ||
        file_use_begin(&change->use, request, err)) {
        return -1;
    }
    path = path ? path : request_query(request, "path");
    return file_use_path(&change->use, path, "path", change->path, err);
}

/* "mode" of the body; fallback < 0: it must be there. */
static int read_mode(struct change *change, int64_t fallback, struct error *err)
{
    const char *mode;
    if (body_string(change->body, "mode", &mode, err)) {
        return error_hint(err, "Send it as octal text, such as \"0755\".");
    }
    if (mode) {
        return file_mode_parse(mode, "mode", &change->mode, err);
    }
    change->mode = fallback;
    return fallback >= 0 ? 0 : error_set_field(err, ERR_MISSING_PARAM, "mode", "mode is missing");
}

static const char *socket_of(const struct change *change)
{
    return change->use.sandbox.agent_socket;
}

static json_t *failed(const struct change *change, struct error *err)
{
    file_use_failed(&change->use, err);
    return NULL;
}

/* --- mkdir --- */

static json_t *make_directory(struct request *request, struct change *change, struct error *err)
{
    bool recursive;
    if (body_bool(change->body, "recursive", true, &recursive, err) ||
        read_mode(change, DIRECTORY_MODE, err) || open_change(request, change, err)) {
        return NULL;
    }
    if (agent_mkdir(socket_of(change), change->path, change->mode, recursive, err)) {
        return failed(change, err);
    }
    return json_pack("{s:{s:o}}", "data", "path", file_path_json(change->path));
}

void files_mkdir_handle(struct request *request)
{
    respond_change(request, 201, make_directory);
}

/* --- rename --- */

static int open_rename(struct request *request, struct change *change, struct error *err)
{
    static const char *const sources[] = {"from", "old_path", "source", "path", NULL};
    static const char *const targets[] = {"to", "new_path", "destination", "target", NULL};
    const char *from, *to;
    if (body_string_any(change->body, sources, &from, NULL, err) ||
        body_string_any(change->body, targets, &to, NULL, err) ||
        file_use_begin(&change->use, request, err) ||
        file_use_path(&change->use, from, "from", change->path, err)) {
        return -1;
    }
    return file_use_path(&change->use, to, "to", change->target, err);
}

static json_t *rename_file(struct request *request, struct change *change, struct error *err)
{
    if (open_rename(request, change, err)) {
        return NULL;
    }
    if (agent_rename(socket_of(change), change->path, change->target, err)) {
        return failed(change, err);
    }
    return json_pack("{s:b,s:{s:o,s:o,s:o}}", "success", 1, "data", "from",
                     file_path_json(change->path), "to", file_path_json(change->target), "path",
                     file_path_json(change->target));
}

void files_rename_handle(struct request *request)
{
    respond_change(request, 200, rename_file);
}

/* --- chmod --- */

static json_t *change_mode(struct request *request, struct change *change, struct error *err)
{
    if (read_mode(change, -1, err) || open_change(request, change, err)) {
        return NULL;
    }
    if (agent_chmod(socket_of(change), change->path, change->mode, err)) {
        return failed(change, err);
    }
    char mode[FILE_MODE_TEXT_SIZE];
    return json_pack("{s:b,s:{s:o,s:s}}", "success", 1, "data", "path",
                     file_path_json(change->path), "mode", file_mode_text(change->mode, mode));
}

void files_chmod_handle(struct request *request)
{
    respond_change(request, 200, change_mode);
}

/* --- delete --- */

static int remove_file(struct change *change, bool recursive, struct error *err)
{
    if (agent_remove(socket_of(change), change->path, recursive, err)) {
        return file_use_failed(&change->use, err);
    }
    return 0;
}

static json_t *delete_reply(const struct change *change)
{
    return json_pack("{s:{s:o,s:b}}", "data", "path", file_path_json(change->path), "deleted", 1);
}

static json_t *delete_by_body(struct request *request, struct change *change, struct error *err)
{
    bool recursive;
    if (body_bool(change->body, "recursive", false, &recursive, err) ||
        open_change(request, change, err) || remove_file(change, recursive, err)) {
        return NULL;
    }
    return delete_reply(change);
}

static json_t *delete_by_url(struct request *request, struct change *change, struct error *err)
{
    bool recursive;
    if (request_query_bool(request, "recursive", false, &recursive, err) ||
        file_use_begin(&change->use, request, err) ||
        file_use_request_path(&change->use, request, true, change->path, err) ||
        remove_file(change, recursive, err)) {
        return NULL;
    }
    return delete_reply(change);
}

/* Clients that name the path in the query mean all that is in it; those with a body say so. */
static json_t *delete_by_either(struct request *request, struct change *change, struct error *err)
{
    bool by_query = request_query(request, "path") != NULL;
    bool recursive;
    if (request_query_bool(request, "recursive", by_query, &recursive, err) ||
        body_bool(change->body, "recursive", recursive, &recursive, err) ||
        open_change(request, change, err) || remove_file(change, recursive, err)) {
        return NULL;
    }
    return json_pack("{s:b,s:o}", "success", 1, "path", file_path_json(change->path));
}

void files_delete_handle(struct request *request)
{
    respond_change(request, 200, delete_by_body);
}

void files_delete_url_handle(struct request *request)
{
    respond_change(request, 200, delete_by_url);
}

void fs_delete_handle(struct request *request)
{
    respond_change(request, 200, delete_by_either);
}
