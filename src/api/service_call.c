#include "api/service_call.h"

#include "api/job_json.h"
#include "api/job_use.h"
#include "app/services.h"
#include "base/cleanup.h"

#include <stdlib.h>

void service_call_end(struct service_call *call)
{
    if (call->api) {
        sandbox_use_end(call->api->sandboxes, &call->use);
    }
    json_decref(call->services);
}

int service_call_find_job(struct service_call *call, struct error *err)
{
    auto_free struct session *jobs = NULL;
    size_t count = 0;
    if (session_list(call->use.agent_socket, AGENT_SESSION_JOB, &jobs, &count, err)) {
        return job_failed(call->api, &call->use, err);
    }
    call->ran = service_find(jobs, count, call->name, &call->session);
    return 0;
}

int service_call_begin(struct request *request, struct service_call *call, struct error *err)
{
    struct api *api = api_of(request);
    if (sandbox_use_begin(api->sandboxes, request_principal(request), request_param(request, "id"),
                          0, &call->use, err)) {
        return -1;
    }
    call->api = api;
    json_t *shared = NULL;
    if (sandbox_get_services(api->sandboxes, call->use.id, &shared, err)) {
        return -1;
    }
    call->services = json_deep_copy(shared);
    json_decref(shared);
    return 0;
}

int service_call_begin_named(struct request *request, struct service_call *call, struct error *err)
{
    if (service_call_begin(request, call, err)) {
        return -1;
    }
    call->name = request_param(request, "name");
    call->spec = json_object_get(call->services, call->name);
    if (!call->spec) {
        error_set(err, ERR_PROCESS_NOT_FOUND, 0, "service not found");
        return error_hint(err, "List the services with GET /sandboxes/{id}/services.");
    }
    return service_call_find_job(call, err);
}

/* One without a job: it was stopped before its sandbox was, or could not be started. */
static json_t *unstarted_json(const char *name, json_t *spec, const char *sandbox_id)
{
    char command[AGENT_PATH_MAX];
    service_show_command(spec, command);
    json_t *cwd = json_object_get(spec, "cwd");
    return json_pack("{s:n,s:s,s:s,s:n,s:s,s:s,s:o,s:O?,s:n,s:n,s:n,s:i}", "id", "sandbox_id",
                     sandbox_id, "name", name, "pid", "status", "stopped", "state", "stopped",
                     "command", job_text(command), "cwd", cwd, "started_at", "stopped_at",
                     "exit_code", "restarts", 0);
}

json_t *service_json(const char *name, json_t *spec, const struct session *session,
                     const char *sandbox_id)
{
    json_t *object =
        session ? job_json(session, sandbox_id) : unstarted_json(name, spec, sandbox_id);
    if (object) {
        json_object_set_new(object, "enabled",
                            json_boolean(!json_is_true(json_object_get(spec, "stopped"))));
    }
    return object;
}

void respond_service(struct request *request, int status, const struct service_call *call)
{
    json_t *object = service_json(call->name, call->spec, call->ran ? &call->session : NULL,
                                  request_param(request, "id"));
    respond_json(request, status, json_pack("{s:o}", "data", object));
}
