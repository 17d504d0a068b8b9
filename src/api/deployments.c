/* Deployments: look up, change, stop, start, end. */
#include "api/deployments.h"

#include "api/body_known.h"
#include "api/domains.h"
#include "api/preview_fields.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/urls.h"
#include "gateway/deployments.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 100, HEALTH_TIMEOUT_MS = 5000 };

static json_t *url_member(struct api *api, const struct store_deployment *deployment)
{
    char url[URL_SIZE];
    return json_string(
        url_of_deployment(api->settings, 0, deployment->slug, deployment->tenant_slug, url));
}

void deployment_tell(struct api *api, const struct store_deployment *deployment, const char *what)
{
    struct error err = {0};
    char type[64];
    snprintf(type, sizeof(type), "deployment.%s", what);
    json_t *data =
        json_pack("{s:s, s:s, s:o, s:i}", "deployment_id", deployment->id, "name", deployment->name,
                  "url", url_member(api, deployment), "port", deployment->port);
    if (events_append(api->events, deployment->tenant_id, deployment->sandbox_id, type, data,
                      &err) < 0) {
        log_warn("deployment.event", "deployment=%s error=%s", deployment->id, err.message);
    }
}

/* What the deployment is, by what its sandbox is. *ret_reason: NULL, or why it failed. */
static const char *state_of(struct api *api, const struct store_deployment *deployment,
                            const char **ret_sandbox_state, const char **ret_reason)
{
    struct sandbox_view view;
    bool found = sandbox_peek(api->sandboxes, deployment->sandbox_id, NULL, &view);
    bool gone = !found || view.state == SANDBOX_DESTROYING || view.state == SANDBOX_ERROR;
    *ret_sandbox_state = sandbox_state_name(found ? view.state : SANDBOX_DESTROYED);
    *ret_reason = gone ? "the sandbox behind it is gone" : NULL;
    return gone ? "failed" : (deployment->is_stopped ? "stopped" : "running");
}

json_t *deployment_object(struct api *api, const struct store_deployment *deployment)
{
    const char *sandbox_state, *reason;
    const char *state = state_of(api, deployment, &sandbox_state, &reason);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:s, s:s?, s:s, s:s, s:i, s:s, s:b, s:s, s:o, s:o, s:o}", "id",
        deployment->id, "deployment_id", deployment->id, "name", deployment->name, "slug",
        deployment->slug, "url", url_member(api, deployment), "state", state, "reason", reason,
        "sandbox_id", deployment->sandbox_id, "sandbox_state", sandbox_state, "port",
        deployment->port, "url_class", "durable_deployment", "stable_for_embedding", 1,
        "recommended_next_action", "attach_custom_domain", "domains",
        domains_of_deployment(api, deployment), "created_at", time_member(deployment->created_ms),
        "updated_at", time_member(deployment->updated_ms));
    static const char *const asked[] = {"start_command", "build_command", "health_check_path"};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        json_t *value = json_object_get(deployment->spec, asked[i]);
        json_object_set(object, asked[i], value ? value : json_null());
    }
    return object;
}

int deployment_of_request(struct request *request, struct store_deployment *ret_deployment,
                          struct error *err)
{
    return directory_get_deployment(api_of(request)->directory,
                                    request_principal(request)->tenant_id,
                                    request_param(request, "deployment_id"), ret_deployment, err);
}

/* Answers with the deployment, and lets go of it. */
static void respond_deployment(struct request *request, struct store_deployment *deployment)
{
    json_t *object = deployment_object(api_of(request), deployment);
    json_decref(deployment->spec);
    respond_json(request, 200, json_pack("{s:o}", "data", object));
}

static void list_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct store_deployment *deployments;
    size_t count;
    const char *sandbox_id = request_query(request, "sandbox_id");
    if (directory_list_deployments(api->directory, request_principal(request)->tenant_id,
                                   &deployments, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!sandbox_id || strcmp(sandbox_id, deployments[i].sandbox_id) == 0) {
            json_array_append_new(list, deployment_object(api, &deployments[i]));
        }
    }
    deployments_free(deployments, count);
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

static void get_handle(struct request *request)
{
    struct error err = {0};
    struct store_deployment deployment;
    if (deployment_of_request(request, &deployment, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_deployment(request, &deployment);
}

/* Writes a changed record, tells of it and answers. */
static void change_to(struct request *request, struct store_deployment *deployment,
                      const char *what)
{
    struct api *api = api_of(request);
    struct error err = {0};
    deployment->updated_ms = clock_realtime_ms();
    if (directory_put_deployment(api->directory, deployment, false, &err)) {
        json_decref(deployment->spec);
        respond_error(request, &err);
        return;
    }
    deployment_tell(api, deployment, what);
    respond_deployment(request, deployment);
}

static void update_handle(struct request *request)
{
    static const char *const known[] = {"name", "port", NULL};
    struct error err = {0};
    struct store_deployment deployment = {0};
    json_t *body = request_json(request);
    const char *name;
    int port;
    if (deployment_of_request(request, &deployment, &err) || body_known(body, known, &err) ||
        name_member(body, "name", NAME_MAX_BYTES, &name, &err) || port_member(body, &port, &err)) {
        json_decref(deployment.spec);
        respond_error(request, &err);
        return;
    }
    if (name) {
        snprintf(deployment.name, sizeof(deployment.name), "%s", name);
    }
    if (port) {
        deployment.port = port;
    }
    change_to(request, &deployment, "updated");
}

static void set_stopped(struct request *request, bool stopped)
{
    struct error err = {0};
    struct store_deployment deployment;
    if (deployment_of_request(request, &deployment, &err)) {
        respond_error(request, &err);
        return;
    }
    deployment.is_stopped = stopped;
    change_to(request, &deployment, stopped ? "stopped" : "started");
}

static void stop_handle(struct request *request)
{
    set_stopped(request, true);
}

static void start_handle(struct request *request)
{
    set_stopped(request, false);
}

static void delete_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct store_deployment deployment;
    if (deployment_of_request(request, &deployment, &err)) {
        respond_error(request, &err);
        return;
    }
    if (domains_detach(api, &deployment, &err) ||
        directory_delete_deployment(api->directory, deployment.tenant_id, deployment.id, &err)) {
        json_decref(deployment.spec);
        respond_error(request, &err);
        return;
    }
    deployment_tell(api, &deployment, "deleted");
    json_decref(deployment.spec);
    respond_json(request, 200,
                 json_pack("{s:{s:s, s:s}}", "data", "id", deployment.id, "state", "deleted"));
}

#define ONE "/deployments/{deployment_id}"

#define ROUTE(route_method, route_pattern, route_body, route_handler)                              \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_DEPLOYMENTS,              \
        .body = route_body, .handler = route_handler                                               \
    }

const struct route api_deployment_routes[] = {
    {.method = "POST",
     .pattern = "/sandboxes/{id}/deploy",
     .scope = SCOPE_DEPLOYMENTS,
     .body = BODY_JSON,
     .flags = ROUTE_IDEMPOTENT_KEY,
     .handler = deploy_handle},
    ROUTE("GET", "/deployments", BODY_NONE, list_handle),
    ROUTE("GET", ONE, BODY_NONE, get_handle),
    ROUTE("PATCH", ONE, BODY_JSON, update_handle),
    ROUTE("DELETE", ONE, BODY_NONE, delete_handle),
    ROUTE("POST", ONE "/stop", BODY_JSON, stop_handle),
    ROUTE("POST", ONE "/start", BODY_JSON, start_handle),
    {0},
};
