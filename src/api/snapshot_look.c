#include "api/snapshot_look.h"

#include "api/file_path.h"

#include <string.h>

enum {
    WAIT_MS = 2000,        /* for a snapshot that is being made ready, before 202 */
    RETRY_AFTER_MS = 1000, /* told with 202 */
};

/* Mounted for each run; the sandbox's disk has nothing of it. */
static const char *const of_run[] = {"/proc", "/sys", "/dev", "/run"};

bool snapshot_look_is_of_run(const char *path)
{
    for (size_t i = 0; i < sizeof(of_run) / sizeof(of_run[0]); i++) {
        if (strcmp(path, of_run[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool lies_in_run(const char *path)
{
    for (size_t i = 0; i < sizeof(of_run) / sizeof(of_run[0]); i++) {
        size_t length = strlen(of_run[i]);
        if (strncmp(path, of_run[i], length) == 0 && path[length] == '/') {
            return true;
        }
    }
    return false;
}

static int take_path(struct snapshot_look *look, const struct request *request, struct error *err)
{
    const char *path = request_query(request, "path");
    if (file_path_make(look->view.workdir, path && *path ? path : "/", "path", look->path, err)) {
        return -1;
    }
    return lies_in_run(look->path)
               ? error_set_field(err, ERR_FILE_NOT_FOUND, "path",
                                 "%s is not in the snapshot: every run gets it anew", look->path)
               : 0;
}

int snapshot_look_begin(struct snapshot_look *look, struct request *request, struct error *err)
{
    struct sandboxes *sandboxes = api_of(request)->sandboxes;
    int result =
        snapshot_view_begin(sandboxes, request_principal(request),
                            request_param(request, "snapshot_id"), WAIT_MS, &look->view, err);
    if (result <= 0) {
        return result;
    }
    look->sandboxes = sandboxes;
    return take_path(look, request, err) ? -1 : 1;
}

void snapshot_look_end(struct snapshot_look *look)
{
    if (look->sandboxes) {
        snapshot_view_end(look->sandboxes, &look->view, look->broken);
        look->sandboxes = NULL;
    }
}

int snapshot_look_failed(struct snapshot_look *look, const struct error *err)
{
    look->broken |= err->code == ERR_AGENT_UNAVAILABLE;
    return -1;
}

void snapshot_look_respond_warming(struct request *request)
{
    respond_header(request, "Retry-After", "1");
    respond_json(request, 202,
                 json_pack("{s:s, s:i}", "status", "warming", "retry_after_ms", RETRY_AFTER_MS));
}
