#include "api/job_use.h"
#include "api/processes.h"
#include "api/service_call.h"
#include "app/services.h"
#include "base/fault.h"

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

void service_create_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    json_t *spec = NULL;
    if (service_define(request_json(request), &call.name, &spec, &err)) {
        respond_error(request, &err);
        return;
    }
    call.spec = spec;
    if (service_call_begin(request, &call, &err) || define(&call, &err)) {
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
    return err->code == ERR_NAME_TAKEN && service_call_find_job(call, &ignored) == 0 &&
                   is_alive(call)
               ? 0
               : -1;
}

void service_start_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    if (service_call_begin_named(request, &call, &err) || set_stopped(&call, false, &err) ||
        start_unless_alive(&call, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

void service_stop_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    int64_t grace_ms;
    if (service_call_begin_named(request, &call, &err) || process_grace(request, &grace_ms, &err) ||
        set_stopped(&call, true, &err) || stop(&call, grace_ms, false, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

void service_restart_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    int64_t grace_ms;
    if (service_call_begin_named(request, &call, &err) || process_grace(request, &grace_ms, &err) ||
        stop(&call, grace_ms, true, &err) || set_stopped(&call, false, &err) ||
        start(&call, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_service(request, 200, &call);
}

void service_delete_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    int64_t grace_ms;
    if (service_call_begin_named(request, &call, &err) || process_grace(request, &grace_ms, &err) ||
        sandbox_set_service(call.api->sandboxes, call.use.id, call.name, NULL, &err) ||
        stop(&call, grace_ms, true, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:{s:s,s:s,s:b}}", "data", "name", call.name, "status", "stopped",
                           "deleted", 1));
}
