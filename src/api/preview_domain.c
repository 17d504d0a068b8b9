/* The domain under which a tenant's previews are served instead of ours: claim it, prove it, give it up. */
#include "api/body_fields.h"
#include "api/body_known.h"
#include "api/domain_fields.h"
#include "api/domains.h"
#include "api/preview_fields.h"
#include "gateway/domain_verify.h"
#include "gateway/preview_domains.h"

#include <stdio.h>
#include <string.h>

/* What all names below the domain should be an alias of: a name that surely leads to the gateway. */
static json_t *alias_record(const struct api *api, const struct store_domain *domain)
{
    return json_pack("{s:s, s:o, s:o}", "type", "CNAME", "name",
                     json_sprintf("*.%s", domain->hostname), "value",
                     json_sprintf("previews.sandbox.%s", api->settings->domain));
}

static json_t *object_of(const struct api *api, const struct store_domain *domain)
{
    char name[DOMAIN_RECORD_SIZE];
    bool proven = domain->verified_ms != 0;
    json_t *alias = alias_record(api, domain);
    json_t *records = json_pack("[{s:s, s:s, s:s}, O]", "type", "TXT", "name",
                                domain_record_name(domain, name), "value", domain->token, alias);
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "status",
                     proven ? "configured" : "pending_dns", "preview_domain", domain->hostname,
                     "verified", proven, "dns_instructions", alias, "dns_records", records, "tls",
                     domain_tls(domain), "verified_at", time_member(domain->verified_ms),
                     "created_at", time_member(domain->created_ms), "updated_at",
                     time_member(domain->updated_ms));
}

static json_t *no_object(void)
{
    return json_pack("{s:s, s:n, s:b, s:n, s:[], s:{s:s, s:n}, s:n, s:n, s:n}", "status",
                     "not_configured", "preview_domain", "verified", false, "dns_instructions",
                     "dns_records", "tls", "status", "none", "expires_at", "verified_at",
                     "created_at", "updated_at");
}

static const char *tenant_of(const struct request *request)
{
    return request_principal(request)->tenant_id;
}

/* Answers with what the tenant has now. */
static void respond_current(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct store_domain domain = {0};
    int result = directory_get_preview_domain(api->directory, tenant_of(request), &domain, &err);
    if (result && err.code != ERR_NOT_FOUND) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200,
                 json_pack("{s:o}", "data", result ? no_object() : object_of(api, &domain)));
    domain_clear(&domain);
}

static void get_handle(struct request *request)
{
    respond_current(request);
}

/* "preview_domain", or "domain": one of them. */
static int take_name(struct request *request, char hostname[HOSTNAME_SIZE], struct error *err)
{
    static const char *const names[] = {"preview_domain", "domain", NULL};
    json_t *body = request_json(request);
    const char *text, *field;
    if (body_member(body, names[0]) && body_member(body, names[1])) {
        return error_set_field(err, ERR_VALIDATION, names[1],
                               "domain is another name of preview_domain; send one of them");
    }
    if (body_string_any(body, names, &text, &field, err) < 0) {
        return -1;
    }
    if (!text) {
        return error_set_field(err, ERR_MISSING_PARAM, names[0], "preview_domain is missing");
    }
    if (hostname_check(api_of(request)->settings, field, text, hostname, err) < 0) {
        return -1;
    }
    return strlen(hostname) <= PREVIEW_DOMAIN_MAX_BYTES
               ? 0
               : error_set_field(err, ERR_VALIDATION, field, "%s must have at most %d bytes", field,
                                 PREVIEW_DOMAIN_MAX_BYTES);
}

static int put(struct request *request, struct store_domain *domain, struct error *err)
{
    static const char *const known[] = {"preview_domain", "domain", "certificate", "private_key",
                                        NULL};
    char hostname[HOSTNAME_SIZE], wildcard[HOSTNAME_SIZE + 2];
    json_t *body = request_json(request);
    if (body_known(body, known, err) || take_name(request, hostname, err)) {
        return -1;
    }
    domain_make(tenant_of(request), hostname, domain);
    snprintf(wildcard, sizeof(wildcard), "*.%s", hostname);
    if (certificate_member(body, wildcard, domain, err)) {
        return -1;
    }
    return directory_put_preview_domain(api_of(request)->directory, domain, err);
}

static void put_handle(struct request *request)
{
    struct error err = {0};
    struct store_domain domain = {0};
    int result = put(request, &domain, &err);
    domain_clear(&domain);
    if (result) {
        respond_error(request, &err);
        return;
    }
    respond_current(request);
}

static void verify_handle(struct request *request)
{
    struct api *api = api_of(request);
    struct error err = {0};
    struct store_domain domain = {0};
    int result = directory_get_preview_domain(api->directory, tenant_of(request), &domain, &err);
    domain_clear(&domain);
    if (result == 0 && !domain.verified_ms) {
        result = domain_verify_record(api->settings, &domain, &err) < 0 ||
                 directory_prove_preview_domain(api->directory, domain.tenant_id, domain.token,
                                                &err) < 0;
    }
    if (result) {
        respond_error(request, &err);
        return;
    }
    respond_current(request);
}

static void delete_handle(struct request *request)
{
    struct error err = {0};
    if (directory_delete_preview_domain(api_of(request)->directory, tenant_of(request), &err)) {
        respond_error(request, &err);
        return;
    }
    respond_current(request);
}

#define PREVIEW_DOMAIN "/tenant/preview-domain"

#define ROUTE(route_method, route_pattern, route_body, route_handler)                              \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_DOMAINS,                  \
        .body = route_body, .handler = route_handler                                               \
    }

const struct route api_preview_domain_routes[] = {
    ROUTE("GET", PREVIEW_DOMAIN, BODY_NONE, get_handle),
    ROUTE("PUT", PREVIEW_DOMAIN, BODY_JSON, put_handle),
    ROUTE("DELETE", PREVIEW_DOMAIN, BODY_NONE, delete_handle),
    ROUTE("POST", PREVIEW_DOMAIN "/verify", BODY_JSON, verify_handle),
    {0},
};
