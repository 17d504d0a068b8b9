#include "api/domain_object.h"

#include "api/domain_fields.h"
#include "api/preview_fields.h"
#include "base/urls.h"
#include "gateway/deployments.h"
#include "gateway/domain_verify.h"

#include <string.h>

/* The host name that the domain should be an alias of. */
static json_t *alias_of(struct api *api, const struct store_domain *domain)
{
    struct store_deployment deployment;
    if (!domain->deployment_id[0] ||
        directory_get_deployment(api->directory, domain->tenant_id, domain->deployment_id,
                                 &deployment, NULL) < 0) {
        return json_string(api->settings->domain);
    }
    json_decref(deployment.spec);
    return json_sprintf("%s.%s.%s", deployment.slug, deployment.tenant_slug, api->settings->domain);
}

static json_t *dns_records(struct api *api, const struct store_domain *domain)
{
    char name[DOMAIN_RECORD_SIZE];
    return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:o}]", "type", "TXT", "name",
                     domain_record_name(domain, name), "value", domain->token, "type", "CNAME",
                     "name", domain->hostname, "value", alias_of(api, domain));
}

json_t *domain_object(struct api *api, const struct store_domain *domain)
{
    char url[URL_SIZE], file[DOMAIN_FILE_SIZE];
    bool verified = domain->verified_ms != 0;
    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:s, s:s, s:o, s:{s:s, s:s}, s:o, s:o, s:o, s:o}",
                     "id", domain->id, "hostname", domain->hostname, "status",
                     verified ? "verified" : "pending_dns", "verified", verified, "deployment_id",
                     domain->deployment_id[0] ? json_string(domain->deployment_id) : json_null(),
                     "redirect_policy", domain->redirect_policy, "url",
                     url_of_domain(api->settings, 0, domain->hostname, url), "dns_records",
                     dns_records(api, domain), "http_challenge", "url",
                     domain_file_url(domain, file), "content", domain->token, "tls",
                     domain_tls(domain), "verified_at", time_member(domain->verified_ms),
                     "created_at", time_member(domain->created_ms), "updated_at",
                     time_member(domain->updated_ms));
}
