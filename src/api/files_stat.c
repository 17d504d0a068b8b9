#include "api/files.h"

#include "api/body_fields.h"
#include "api/file_json.h"
#include "api/file_use.h"

/* text: the path as it was sent. */
static int look_at(struct request *request, const char *text, struct agent_stat *ret_stat,
                   struct error *err)
{
    auto_file_use struct file_use use = {0};
    char path[AGENT_PATH_MAX];
    if (file_use_begin(&use, request, err) || file_use_path(&use, text, "path", path, err)) {
        return -1;
    }
    return agent_stat(use.sandbox.agent_socket, path, true, ret_stat, err)
               ? file_use_failed(&use, err)
               : 0;
}

static void respond_stat(struct request *request, const char *text)
{
    struct error err = {0};
    struct agent_stat stat;
    if (look_at(request, text, &stat, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", file_json(&stat)));
}

void files_stat_handle(struct request *request)
{
    struct error err = {0};
    const char *path;
    if (body_string(request_json(request), "path", &path, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_stat(request, path);
}

void files_stat_get_handle(struct request *request)
{
    respond_stat(request, request_query(request, "path"));
}

void files_exists_handle(struct request *request)
{
    struct error err = {0};
    struct agent_stat stat;
    const char *path = request_query(request, "path");
    int failed = look_at(request, path, &stat, &err);
    if (failed && err.code != ERR_FILE_NOT_FOUND && err.code != ERR_NOT_DIRECTORY) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:{s:o,s:b,s:b}}", "data", "path", file_path_json(path), "exists",
                           !failed, "is_dir", !failed && stat.type == AGENT_FILE_DIRECTORY));
}
