#include "api/processes.h"

#include "api/api.h"
#include "api/body_known.h"
#include "api/exec_request.h"
#include "api/job_json.h"
#include "api/job_start.h"
#include "api/job_use.h"
#include "base/cleanup.h"

enum { PROCESS_BODY_MAX_BYTES = 16 * 1024 * 1024 };

static int start(struct request *request, struct session *ret_session, struct error *err)
{
    static const char *const known[] = {"command",
                                        "cmd",
                                        "argv",
                                        "args",
                                        "name",
                                        "cwd",
                                        "working_dir",
                                        "env",
                                        "user",
                                        "sudo",
                                        "timeout",
                                        "timeout_ms",
                                        "timeoutMs",
                                        "timeout_seconds",
                                        "stdin",
                                        "stdin_base64",
                                        "open_stdin",
                                        "wait",
                                        "wait_timeout_ms",
                                        "detached",
                                        "detach",
                                        "background",
                                        "tty",
                                        NULL};
    auto_exec_request struct exec_request parsed = {0};
    struct api *api = api_of(request);
    struct sandbox_use use;
    if (body_known(request_json(request), known, err) ||
        exec_request_parse(request_json(request), EXEC_FORM_JOB, &parsed, err) ||
        sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          parsed.wait_ms, &use, err)) {
        return -1;
    }
    char id[ID_SIZE];
    bool repeatable = job_id_of_claim(request, id);
    int result = job_start(api, &use, &parsed, repeatable ? id : NULL, ret_session, err);
    sandbox_use_end(api->sandboxes, &use);
    return result;
}

static void respond_job(struct request *request, int status, const struct session *session)
{
    respond_json(request, status,
                 json_pack("{s:o}", "data", job_json(session, request_param(request, "id"))));
}

static void create_handle(struct request *request)
{
    struct error err = {0};
    struct session session;
    if (start(request, &session, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_job(request, 201, &session);
}

static json_t *list_json(const struct session *jobs, size_t count, const char *sandbox_id)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, job_json(&jobs[i], sandbox_id));
    }
    return json_pack("{s:o,s:I}", "data", list, "count", (json_int_t)count);
}

static void list_handle(struct request *request)
{
    struct api *api = api_of(request);
    auto_free struct session *jobs = NULL;
    size_t count = 0;
    struct sandbox_use use;
    struct error err = {0};
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          0, &use, &err)) {
        respond_error(request, &err);
        return;
    }
    int result = job_list(request, &use, &jobs, &count, &err);
    sandbox_use_end(api->sandboxes, &use);
    if (result) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, list_json(jobs, count, request_param(request, "id")));
}

static void get_handle(struct request *request)
{
    struct sandbox_use use;
    struct session session;
    struct error err = {0};
    if (job_use_begin(request, &use, &session, &err)) {
        respond_error(request, &err);
        return;
    }
    sandbox_use_end(api_of(request)->sandboxes, &use);
    respond_job(request, 200, &session);
}

#define READ  .scope = SCOPE_SANDBOXES_READ
#define WRITE .scope = SCOPE_SANDBOXES_EXEC

const struct route api_process_routes[] = {
    {.method = "POST",
     .pattern = "/sandboxes/{id}/processes",
     WRITE,
     .body = BODY_JSON,
     .flags = ROUTE_IDEMPOTENT_KEY,
     .body_max = PROCESS_BODY_MAX_BYTES,
     .handler = create_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/processes", READ, .handler = list_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/processes/{process_id}",
     READ,
     .handler = get_handle},
    {.method = "DELETE",
     .pattern = "/sandboxes/{id}/processes/{process_id}",
     WRITE,
     .handler = process_delete_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/processes/{process_id}/logs",
     READ,
     .handler = process_logs_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/processes/{process_id}/logs/stream",
     READ,
     .handler = process_stream_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/processes/{process_id}/stream",
     READ,
     .handler = process_stream_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/processes/{process_id}/stdin",
     WRITE,
     .body = BODY_JSON,
     .body_max = 2 * AGENT_INPUT_MAX_BYTES,
     .handler = process_stdin_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/processes/{process_id}/signal",
     WRITE,
     .body = BODY_JSON,
     .handler = process_signal_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/processes/{process_id}/stop",
     WRITE,
     .body = BODY_JSON,
     .handler = process_stop_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/jobs", READ, .handler = list_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/jobs/{process_id}", READ, .handler = get_handle},
    {.method = "DELETE",
     .pattern = "/sandboxes/{id}/jobs/{process_id}",
     WRITE,
     .handler = process_delete_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/jobs/{process_id}/stop",
     WRITE,
     .body = BODY_JSON,
     .handler = process_stop_handle},
    {0},
};
