#include "app/services.h"

#include "api/api.h"
#include "api/job_json.h"
#include "api/job_use.h"
#include "api/processes.h"
#include "base/cleanup.h"
#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

/* A request about the services of a sandbox. */
struct service_call {
    struct api *api;
    struct sandbox_use use;
    json_t *services; /* definitions by name */
    const char *name; /* the one it is about, or NULL */
    json_t *spec;     /* its definition, borrowed from services */
    bool ran;         /* session is its job, the latest one */
    struct session session;
};

static void call_end(struct service_call *call)
{
    if (call->api) {
        sandbox_use_end(call->api->sandboxes, &call->use);
    }
    json_decref(call->services);
}

#define auto_service_call __attribute__((cleanup(call_end)))

static int find_job(struct service_call *call, struct error *err)
{
    auto_free struct session *jobs = NULL;
    size_t count = 0;
    if (session_list(call->use.agent_socket, AGENT_SESSION_JOB, &jobs, &count, err)) {
        return job_failed(call->api, &call->use, err);
    }
    call->ran = service_find(jobs, count, call->name, &call->session);
    return 0;
}

static int call_begin(struct request *request, struct service_call *call, struct error *err)
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

/* As call_begin, and finds the service {name}. ERR_PROCESS_NOT_FOUND. */
static int call_begin_named(struct request *request, struct service_call *call, struct error *err)
{
    if (call_begin(request, call, err)) {
        return -1;
    }
    call->name = request_param(request, "name");
    call->spec = json_object_get(call->services, call->name);
    if (!call->spec) {
        error_set(err, ERR_PROCESS_NOT_FOUND, 0, "service not found");
        return error_hint(err, "List the services with GET /sandboxes/{id}/services.");
    }
    return find_job(call, err);
}

/* --- what is told --- */

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

static json_t *service_json(const char *name, json_t *spec, const struct session *session,
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

static void respond_service(struct request *request, int status, const struct service_call *call)
{
    json_t *object = service_json(call->name, call->spec, call->ran ? &call->session : NULL,
                                  request_param(request, "id"));
    respond_json(request, status, json_pack("{s:o}", "data", object));
}

/* --- changes --- */

static int set_stopped(struct service_call *call, bool stopped, struct error *err)
{
    json_object_set_new(call->spec, "stopped", json_boolean(stopped));
    return sandbox_set_service(call->api->sandboxes, call->use.id, call->name, call->spec, err);
}

static int start(struct service_call *call, struct error *err)
{
    if (service_start(call->api->settings, &call->use, call->name, call->spec, &call->session,
                      err)) {
        if (err->code == ERR_NAME_TAKEN) {
            error_hint(err, "Stop the process of that name first; see GET …/processes.");
        }
        return job_failed(call->api, &call->use, err);
    }
    call->ran = true;
    return 0;
}

static int stop(struct service_call *call, int64_t grace_ms, bool forget, struct error *err)
{
    if (!call->ran) {
        return 0;
    }
    if (session_stop(call->use.agent_socket, call->session.id, grace_ms, forget, &call->session,
                     err)) {
        return job_failed(call->api, &call->use, err);
    }
    return 0;
}

static int define(struct service_call *call, struct error *err)
{
    struct sandboxes *sandboxes = call->api->sandboxes;
    if (json_object_get(call->services, call->name)) {
        error_set_field(err, ERR_NAME_TAKEN, "name", "the service '%s' exists", call->name);
        return error_hint(err, "Delete it first, or start it with POST …/services/%s/start.",
                          call->name);
    }
    if (sandbox_set_service(sandboxes, call->use.id, call->name, call->spec, err)) {
        return -1;
    }
    FAULT_POINT("daemon.service.defined");
    if (start(call, err)) {
        struct error ignored = {0};
        sandbox_set_service(sandboxes, call->use.id, call->name, NULL, &ignored);
        return -1;
    }
    return 0;
}

static void create_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    json_t *spec = NULL;
    if (service_define(request_json(request), &call.name, &spec, &err)) {
        respond_error(request, &err);
        return;
    }
    call.spec = spec;
    if (call_begin(request, &call, &err) || define(&call, &err)) {
        respond_error(request, &err);
    } else {
        respond_service(request, 201, &call);
    }
    json_decref(spec);
}

static bool is_alive(const struct service_call *call)
{
    return call->ran && call->session.state != AGENT_SESSION_ENDED;
}

/* Its sandbox may be starting it at the same moment. */
static int start_unless_alive(struct service_call *call, struct error *err)
{
    if (is_alive(call) || start(call, err) == 0) {
        return 0;
    }
    struct error ignored = {0};
    return err->code == ERR_NAME_TAKEN && find_job(call, &ignored) == 0 && is_alive(call) ? 0 : -1;
}

static void start_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    if (call_begin_named(request, &call, &err) || set_stopped(&call, false, &err) ||
        start_unless_alive(&call, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

static void stop_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    int64_t grace_ms;
    if (call_begin_named(request, &call, &err) || process_grace(request, &grace_ms, &err) ||
        set_stopped(&call, true, &err) || stop(&call, grace_ms, false, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

static void restart_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    int64_t grace_ms;
    if (call_begin_named(request, &call, &err) || process_grace(request, &grace_ms, &err) ||
        stop(&call, grace_ms, true, &err) || set_stopped(&call, false, &err) ||
        start(&call, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

static void delete_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    int64_t grace_ms;
    if (call_begin_named(request, &call, &err) || process_grace(request, &grace_ms, &err) ||
        sandbox_set_service(call.api->sandboxes, call.use.id, call.name, NULL, &err) ||
        stop(&call, grace_ms, true, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:{s:s,s:s,s:b}}", "data", "name", call.name, "status", "stopped",
                           "deleted", 1));
}

/* --- reading --- */

static json_t *list_json(const struct service_call *call, const struct session *jobs, size_t count)
{
    json_t *list = json_array();
    const char *name;
    json_t *spec;
    json_object_foreach(call->services, name, spec)
    {
        struct session session;
        bool ran = service_find(jobs, count, name, &session);
        json_array_append_new(list, service_json(name, spec, ran ? &session : NULL, call->use.id));
    }
    return json_pack("{s:I,s:o}", "count", (json_int_t)json_array_size(list), "data", list);
}

static void list_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    auto_free struct session *jobs = NULL;
    size_t count = 0;
    struct error err = {0};
    if (call_begin(request, &call, &err) || job_list(request, &call.use, &jobs, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, list_json(&call, jobs, count));
}

static void get_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    if (call_begin_named(request, &call, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

static void logs_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    json_t *reply = NULL;
    if (call_begin_named(request, &call, &err) == 0 && !call.ran) {
        error_set(&err, ERR_PROCESS_NOT_FOUND, 0,
                  "the service has not run since its sandbox started");
        error_hint(&err, "Start it with POST …/services/%s/start.", call.name);
    }
    if (!err.code) {
        reply = process_logs_json(request, &call.use, &call.session, &err);
    }
    if (!reply) {
        respond_error(request, &err);
        return;
    }
    json_object_set_new(json_object_get(reply, "data"), "service", json_string(call.name));
    respond_json(request, 200, reply);
}

#define READ  .scope = SCOPE_SANDBOXES_READ
#define WRITE .scope = SCOPE_SANDBOXES_EXEC

const struct route api_sandbox_service_routes[] = {
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services",
     WRITE,
     .body = BODY_JSON,
     .handler = create_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/services", READ, .handler = list_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/services/{name}", READ, .handler = get_handle},
    {.method = "DELETE",
     .pattern = "/sandboxes/{id}/services/{name}",
     WRITE,
     .handler = delete_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/services/{name}/logs",
     READ,
     .handler = logs_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services/{name}/start",
     WRITE,
     .body = BODY_JSON,
     .handler = start_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services/{name}/stop",
     WRITE,
     .body = BODY_JSON,
     .handler = stop_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services/{name}/restart",
     WRITE,
     .body = BODY_JSON,
     .handler = restart_handle},
    {0},
};
