#include "api/file_use.h"

#include "api/file_path.h"

int file_use_begin(struct file_use *use, struct request *request, struct error *err)
{
    struct api *api = api_of(request);
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          0, &use->sandbox, err)) {
        return -1;
    }
    use->api = api;
    return 0;
}

void file_use_end(struct file_use *use)
{
    if (use->api) {
        sandbox_use_end(use->api->sandboxes, &use->sandbox);
        use->api = NULL;
    }
}

int file_use_path(const struct file_use *use, const char *text, const char *field,
                  char path[AGENT_PATH_MAX], struct error *err)
{
    if (!text) {
        return error_set_field(err, ERR_MISSING_PARAM, field, "%s is missing", field);
    }
    return file_path_make(use->sandbox.workdir, text, field, path, err);
}

int file_use_request_path(const struct file_use *use, struct request *request, bool from_url,
                          char path[AGENT_PATH_MAX], struct error *err)
{
    if (from_url) {
        return file_path_make("/", request_param(request, "path"), "path", path, err);
    }
    return file_use_path(use, request_query(request, "path"), "path", path, err);
}

int file_use_failed(const struct file_use *use, struct error *err)
{
    if (err->code == ERR_AGENT_UNAVAILABLE) {
        sandbox_explain(use->api->sandboxes, &use->sandbox, err);
    }
    return -1;
}
