#include "app/services.h"

#include "api/job_use.h"
#include "api/processes.h"
#include "api/service_call.h"
#include "base/cleanup.h"

#include <stdlib.h>

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
    if (service_call_begin(request, &call, &err) ||
        job_list(request, &call.use, &jobs, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, list_json(&call, jobs, count));
}

static void get_handle(struct request *request)
{
    auto_service_call struct service_call call = {0};
    struct error err = {0};
    if (service_call_begin_named(request, &call, &err)) {
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
    if (service_call_begin_named(request, &call, &err) == 0 && !call.ran) {
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
     .handler = service_create_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/services", READ, .handler = list_handle},
    {.method = "GET", .pattern = "/sandboxes/{id}/services/{name}", READ, .handler = get_handle},
    {.method = "DELETE",
     .pattern = "/sandboxes/{id}/services/{name}",
     WRITE,
     .handler = service_delete_handle},
    {.method = "GET",
     .pattern = "/sandboxes/{id}/services/{name}/logs",
     READ,
     .handler = logs_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services/{name}/start",
     WRITE,
     .body = BODY_JSON,
     .handler = service_start_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services/{name}/stop",
     WRITE,
     .body = BODY_JSON,
     .handler = service_stop_handle},
    {.method = "POST",
     .pattern = "/sandboxes/{id}/services/{name}/restart",
     WRITE,
     .body = BODY_JSON,
     .handler = service_restart_handle},
    {0},
};
