/* POST /sandboxes/{id}/deploy: gives what a sandbox serves a lasting name. */
#include "api/body_fields.h"
#include "api/body_known.h"
#include "api/deployments.h"
#include "api/domains.h"
#include "api/preview_fields.h"
#include "base/clock.h"
#include "gateway/deployments.h"
#include "gateway/domains.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 100,
    SLUG_NAME_MAX = 40,
    SLUG_RANDOM = 6,
    COMMAND_MAX = 8192,
    HTTP_PORT = 80
};

/* What the request asks for, checked. Texts are borrowed from its body. */
struct deploy {
    struct sandbox_view view;
    const char *name, *hostname, *start_command, *build_command, *health_check_path;
    int port;
};

/* "My app!" → "my-app-k3v9x0". */
static void make_slug(const char *name, char slug[DEPLOYMENT_SLUG_SIZE])
{
    char random[SLUG_SIZE];
    size_t length = 0;
    for (const char *p = name; *p && length < SLUG_NAME_MAX; p++) {
        if (isalnum((unsigned char)*p) && (unsigned char)*p < 0x80) {
            slug[length++] = (char)tolower((unsigned char)*p);
        } else if (length > 0 && slug[length - 1] != '-') {
            slug[length++] = '-';
        }
    }
    while (length > 0 && slug[length - 1] == '-') {
        length--;
    }
    if (length == 0) {
        length = (size_t)snprintf(slug, DEPLOYMENT_SLUG_SIZE, "app");
    }
    snprintf(slug + length, DEPLOYMENT_SLUG_SIZE - length, "-%.*s", SLUG_RANDOM, slug_make(random));
}

/* Kinds of deployments that others know and this version does not have. */
static int check_kind(json_t *body, struct error *err)
{
    static const char *const members[] = {"deployment_type", "type", "mode"};
    static const char *const taken[] = {"miosa_deploy", "dynamic", "server"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *kind;
        if (body_string(body, members[i], &kind, err) < 0) {
            return -1;
        }
        bool good = !kind;
        for (size_t k = 0; kind && k < sizeof(taken) / sizeof(taken[0]); k++) {
            good = good || strcmp(kind, taken[k]) == 0;
        }
        if (!good) {
            return error_set_field(
                err, ERR_VALIDATION, members[i],
                "this version has no deployments of %s '%.40s', only dynamic ones", members[i],
                kind);
        }
    }
    return 0;
}

static int check_members(json_t *body, struct error *err)
{
    static const char *const known[] = {"name",
                                        "port",
                                        "domain",
                                        "custom_domain",
                                        "deployment_id",
                                        "start_command",
                                        "run_command",
                                        "build_command",
                                        "health_check_path",
                                        "deployment_type",
                                        "type",
                                        "mode",
                                        NULL};
    static const char *const unsupported[] = {"output_path", "source_snapshot_path", "entrypoint",
                                              "database", "resources"};
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        if (body_member(body, unsupported[i])) {
            return error_set_field(err, ERR_VALIDATION, unsupported[i],
                                   "this version does not support '%s'", unsupported[i]);
        }
    }
    return body_known(body, known, err) < 0 ? -1 : check_kind(body, err);
}

static int take_command(json_t *body, const char *const *names, const char **ret_command,
                        struct error *err)
{
    const char *which;
    if (body_string_any(body, names, ret_command, &which, err) < 0) {
        return -1;
    }
    if (*ret_command && (!**ret_command || strlen(*ret_command) > COMMAND_MAX)) {
        return error_set_field(err, ERR_VALIDATION, which, "%s must have 1 to %d bytes", which,
                               COMMAND_MAX);
    }
    return 0;
}

static int take_path(json_t *body, const char **ret_path, struct error *err)
{
    if (name_member(body, "health_check_path", 1024, ret_path, err) < 0) {
        return -1;
    }
    return !*ret_path || **ret_path == '/'
               ? 0
               : error_set_field(err, ERR_VALIDATION, "health_check_path",
                                 "health_check_path must begin with '/'");
}

static int take_deploy(struct request *request, struct deploy *deploy, struct error *err)
{
    static const char *const domains[] = {"domain", "custom_domain", NULL};
    static const char *const commands[] = {"start_command", "run_command", NULL};
    static const char *const builds[] = {"build_command", NULL};
    json_t *body = request_json(request);
    if (check_members(body, err) < 0 ||
        name_member(body, "name", NAME_MAX_BYTES, &deploy->name, err) < 0) {
        return -1;
    }
    if (!deploy->name) {
        return error_set_field(err, ERR_MISSING_PARAM, "name", "name is missing");
    }
    const char *which;
    if (port_member(body, &deploy->port, err) < 0 ||
        body_string_any(body, domains, &deploy->hostname, &which, err) < 0 ||
        take_command(body, commands, &deploy->start_command, err) < 0 ||
        take_command(body, builds, &deploy->build_command, err) < 0 ||
        take_path(body, &deploy->health_check_path, err) < 0) {
        return -1;
    }
    bool runs_commands = deploy->start_command || deploy->build_command;
    if (runs_commands && !(request_principal(request)->scopes & SCOPE_SANDBOXES_EXEC)) {
        return error_set(err, ERR_SCOPE, 0, "a start_command needs the scope 'sandboxes:exec'");
    }
    return deploy->hostname
               ? domain_check_hostname(api_of(request)->settings, which, deploy->hostname, err)
               : 0;
}

/* The deployment that the request is to change (deployment_id), that an earlier try of the same request made, or
 * a new one. */
static int choose_deployment(struct request *request, const struct deploy *deploy,
                             struct store_deployment *ret_deployment, bool *ret_is_new,
                             struct error *err)
{
    struct api *api = api_of(request);
    const char *tenant_id = request_principal(request)->tenant_id;
    const char *id, *route, *key;
    *ret_is_new = false;
    if (body_string(request_json(request), "deployment_id", &id, err) < 0) {
        return -1;
    }
    if (id) {
        if (directory_get_deployment(api->directory, tenant_id, id, ret_deployment, err) < 0) {
            return error_set_field(err, ERR_NOT_FOUND, "deployment_id",
                                   "there is no such deployment");
        }
        return 0;
    }
    if (request_claim(request, &route, &key) &&
        directory_deployment_of_claim(api->directory, tenant_id, deploy->view.id, key,
                                      ret_deployment)) {
        return 0;
    }
    *ret_is_new = true;
    *ret_deployment = (struct store_deployment){.created_ms = clock_realtime_ms()};
    id_make("dep_", ret_deployment->id);
    make_slug(deploy->name, ret_deployment->slug);
    memcpy(ret_deployment->tenant_id, tenant_id, strlen(tenant_id) + 1);
    return 0;
}

static json_t *spec_of(struct request *request, const struct deploy *deploy)
{
    const char *route, *key;
    json_t *spec = json_object();
    if (deploy->health_check_path) {
        json_object_set_new(spec, "health_check_path", json_string(deploy->health_check_path));
    }
    if (deploy->start_command) {
        json_object_set_new(spec, "start_command", json_string(deploy->start_command));
    }
    if (deploy->build_command) {
        json_object_set_new(spec, "build_command", json_string(deploy->build_command));
    }
    if (request_claim(request, &route, &key)) {
        json_object_set_new(spec, "claim", json_string(key));
    }
    return spec;
}

/* Runs the commands that came with the request, so that the port answers and comes back with the sandbox. */
static int start_app(struct request *request, const struct deploy *deploy, struct error *err)
{
    struct api *api = api_of(request);
    json_t *status = NULL;
    if (!deploy->start_command && !deploy->build_command) {
        return 0;
    }
    json_t *plan =
        json_pack("{s:s*, s:s*, s:i, s:b}", "start_command", deploy->start_command,
                  "install_command", deploy->build_command, "port", deploy->port, "restart", 1);
    int result = app_start(api->apps, request_principal(request), deploy->view.id, plan,
                           request_client_fd(request), request_ending_fd(request), &status, err);
    json_decref(plan);
    json_decref(status);
    return result;
}

static int record(struct request *request, const struct deploy *deploy,
                  struct store_deployment *deployment, bool is_new, struct error *err)
{
    struct api *api = api_of(request);
    json_decref(deployment->spec);
    deployment->spec = spec_of(request, deploy);
    deployment->port = deploy->port;
    deployment->is_stopped = false;
    deployment->updated_ms = clock_realtime_ms();
    snprintf(deployment->name, sizeof(deployment->name), "%s", deploy->name);
    memcpy(deployment->sandbox_id, deploy->view.id, sizeof(deployment->sandbox_id));
    if (directory_put_deployment(api->directory, deployment, is_new, err) < 0) {
        return -1;
    }
    if (deploy->hostname &&
        domain_attach(api, deployment->tenant_id, deploy->hostname, deployment->id, err) < 0) {
        if (is_new) {
            directory_delete_deployment(api->directory, deployment->tenant_id, deployment->id,
                                        NULL);
        }
        return -1;
    }
    deployment_tell(api, deployment, is_new ? "created" : "updated");
    return 0;
}

static int check_runtime(struct request *request, struct deploy *deploy, struct error *err)
{
    struct api *api = api_of(request);
    if (running_view_of_request(request, &deploy->view, err) < 0) {
        return -1;
    }
    if (!sandboxes_host_connected(api->sandboxes)) {
        return error_set(err, ERR_RUNTIME_UNAVAILABLE, 0,
                         "the sandbox cannot be reached: atoll-host does not answer");
    }
    if (!deploy->port) {
        deploy->port = deploy->view.app_port ? deploy->view.app_port : HTTP_PORT;
    }
    return 0;
}

void deploy_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct deploy deploy = {0};
    struct store_deployment deployment = {0};
    bool is_new;
    if (view_of_request(request, &deploy.view, &err) || take_deploy(request, &deploy, &err) ||
        choose_deployment(request, &deploy, &deployment, &is_new, &err) ||
        check_runtime(request, &deploy, &err) || start_app(request, &deploy, &err) ||
        sandbox_keep(api->sandboxes, request_principal(request), deploy.view.id, &err) ||
        record(request, &deploy, &deployment, is_new, &err)) {
        respond_error(request, &err);
    } else {
        respond_json(request, 201, deployment_object(api, &deployment));
    }
    json_decref(deployment.spec);
}
