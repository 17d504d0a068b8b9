/* Custom domains: claim a host name, prove it, lead it to a deployment. */
#include "api/domains.h"

#include "api/body_fields.h"
#include "api/body_known.h"
#include "api/domain_fields.h"
#include "api/domain_object.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/deployments.h"
#include "gateway/domain_verify.h"
#include "gateway/domains.h"

#include <stdio.h>
#include <string.h>

static int take_hostname(struct request *request, char hostname[HOSTNAME_SIZE], struct error *err)
{
    const char *text;
    if (body_string(request_json(request), "hostname", &text, err) < 0) {
        return -1;
    }
    if (!text) {
        return error_set_field(err, ERR_MISSING_PARAM, "hostname", "hostname is missing");
    }
    return hostname_check(api_of(request)->settings, "hostname", text, hostname, err);
}

static int take_deployment(struct request *request, struct store_domain *domain, struct error *err)
{
    const char *id;
    struct store_deployment deployment;
    json_t *member = json_object_get(request_json(request), "deployment_id");
    if (json_is_null(member)) { /* said, and not only absent: leads nowhere */
        domain->deployment_id[0] = '\0';
        return 0;
    }
    if (body_string(request_json(request), "deployment_id", &id, err) < 0) {
        return -1;
    }
    if (!id) {
        return 0;
    }
    if (directory_get_deployment(api_of(request)->directory, domain->tenant_id, id, &deployment,
                                 NULL) < 0) {
        return error_set_field(err, ERR_NOT_FOUND, "deployment_id", "there is no such deployment");
    }
    json_decref(deployment.spec);
    snprintf(domain->deployment_id, sizeof(domain->deployment_id), "%s", id);
    return 0;
}

static int take_redirect_policy(struct request *request, struct store_domain *domain,
                                struct error *err)
{
    const char *policy;
    if (body_string(request_json(request), "redirect_policy", &policy, err) < 0) {
        return -1;
    }
    if (policy && strcmp(policy, "none") != 0) {
        return error_set_field(err, ERR_VALIDATION, "redirect_policy",
                               "this version knows only the redirect_policy 'none'");
    }
    snprintf(domain->redirect_policy, sizeof(domain->redirect_policy), "none");
    return 0;
}

static int domain_of_request(struct request *request, struct store_domain *ret_domain,
                             struct error *err)
{
    char hostname[HOSTNAME_SIZE];
    hostname_normalise(request_param(request, "hostname"), hostname);
    return directory_get_domain(api_of(request)->directory, request_principal(request)->tenant_id,
                                hostname, ret_domain, err);
}

/* Answers with the domain, or with err when result is not 0; lets go of it. */
static void respond_domain(struct request *request, int status, int result,
                           struct store_domain *domain, const struct error *err)
{
    if (result) {
        respond_error(request, err);
    } else {
        respond_json(request, status,
                     json_pack("{s:o}", "data", domain_object(api_of(request), domain)));
    }
    domain_clear(domain);
}

static void create_handle(struct request *request)
{
    static const char *const known[] = {"hostname",    "deployment_id",   "certificate",
                                        "private_key", "redirect_policy", NULL};
    struct error err = {0};
    struct store_domain domain = {0};
    char hostname[HOSTNAME_SIZE];
    if (body_known(request_json(request), known, &err) || take_hostname(request, hostname, &err)) {
        respond_error(request, &err);
        return;
    }
    domain_make(request_principal(request)->tenant_id, hostname, &domain);
    int result = take_deployment(request, &domain, &err) < 0 ||
                 take_redirect_policy(request, &domain, &err) < 0 ||
                 certificate_member(request_json(request), domain.hostname, &domain, &err) < 0 ||
                 directory_put_domain(api_of(request)->directory, &domain, true, &err) < 0;
    respond_domain(request, 201, result, &domain, &err);
}

static void list_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    auto_free struct store_domain *domains = NULL;
    size_t count;
    if (directory_list_domains(api->directory, request_principal(request)->tenant_id, NULL,
                               &domains, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, domain_object(api, &domains[i]));
    }
    respond_json(request, 200, json_pack("{s:o}", "data", list));
}

static void get_handle(struct request *request)
{
    struct error err = {0};
    struct store_domain domain = {0};
    int result = domain_of_request(request, &domain, &err);
    respond_domain(request, 200, result, &domain, &err);
}

/* Changes what the request names: its deployment, certificate and policy. */
static void change_handle(struct request *request, const char *const *known)
{
    struct error err = {0};
    struct store_domain domain = {0};
    int result = domain_of_request(request, &domain, &err) < 0 ||
                 body_known(request_json(request), known, &err) < 0 ||
                 take_deployment(request, &domain, &err) < 0 ||
                 take_redirect_policy(request, &domain, &err) < 0 ||
                 certificate_member(request_json(request), domain.hostname, &domain, &err) < 0;
    domain.updated_ms = clock_realtime_ms();
    if (!result) {
        result = directory_put_domain(api_of(request)->directory, &domain, false, &err);
    }
    respond_domain(request, 200, result, &domain, &err);
}

static void update_handle(struct request *request)
{
    static const char *const known[] = {"deployment_id", "certificate", "private_key",
                                        "redirect_policy", NULL};
    change_handle(request, known);
}

static void assign_handle(struct request *request)
{
    static const char *const known[] = {"deployment_id", "redirect_policy", NULL};
    if (!json_object_get(request_json(request), "deployment_id")) {
        struct error err = {0};
        struct store_domain domain = {0};
        if (domain_of_request(request, &domain, &err) == 0) {
            domain_clear(&domain);
            error_set_field(&err, ERR_MISSING_PARAM, "deployment_id", "deployment_id is missing");
        }
        respond_error(request, &err);
        return;
    }
    change_handle(request, known);
}

/* Looking takes a while, in which somebody may have changed the domain: only the proof is written. */
static int record_proof(struct request *request, struct store_domain *domain, struct error *err)
{
    char proven_id[ID_SIZE];
    memcpy(proven_id, domain->id, sizeof(proven_id));
    domain_clear(domain);
    if (domain_of_request(request, domain, err) < 0) {
        return -1;
    }
    if (strcmp(domain->id, proven_id) != 0) { /* deleted and claimed anew: that has another token */
        return error_set(err, ERR_CONFLICT, 0, "the domain was changed meanwhile");
    }
    domain->verified_ms = domain->updated_ms = clock_realtime_ms();
    return directory_put_domain(api_of(request)->directory, domain, false, err);
}

static void verify_handle(struct request *request)
{
    struct error err = {0};
    struct store_domain domain = {0};
    int result = domain_of_request(request, &domain, &err);
    if (result == 0 && !domain.verified_ms) {
        result = domain_verify(api_of(request)->settings, &domain, &err) < 0 ||
                 record_proof(request, &domain, &err) < 0;
    }
    respond_domain(request, 200, result, &domain, &err);
}

static void delete_handle(struct request *request)
{
    struct error err = {0};
    struct store_domain domain = {0};
    if (domain_of_request(request, &domain, &err) ||
        directory_delete_domain(api_of(request)->directory, domain.tenant_id, domain.hostname,
                                &err)) {
        domain_clear(&domain);
        respond_error(request, &err);
        return;
    }
    domain_clear(&domain);
    respond_json(
        request, 200,
        json_pack("{s:{s:s, s:s}}", "data", "hostname", domain.hostname, "status", "deleted"));
}

#define ONE "/domains/{hostname}"

#define ROUTE(route_method, route_pattern, route_body, route_handler)                              \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_DOMAINS,                  \
        .body = route_body, .handler = route_handler                                               \
    }

const struct route api_domain_routes[] = {
    ROUTE("POST", "/domains", BODY_JSON, create_handle),
    ROUTE("GET", "/domains", BODY_NONE, list_handle),
    ROUTE("GET", ONE, BODY_NONE, get_handle),
    ROUTE("PATCH", ONE, BODY_JSON, update_handle),
    ROUTE("DELETE", ONE, BODY_NONE, delete_handle),
    ROUTE("POST", ONE "/verify", BODY_JSON, verify_handle),
    ROUTE("POST", ONE "/assign", BODY_JSON, assign_handle),
    {0},
};
