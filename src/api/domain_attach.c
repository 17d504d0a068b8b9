/* Custom domains as deployments know them. */
#include "api/domain_object.h"
#include "api/domains.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/domains.h"

#include <stdio.h>
#include <string.h>

static const char token_prefix[] = "atoll-verify-";

void domain_clear(struct store_domain *domain)
{
    if (domain->pem) {
        explicit_bzero(domain->pem, strlen(domain->pem));
        free(domain->pem);
        domain->pem = NULL;
    }
}

void domain_make(const char *tenant_id, const char *hostname, struct store_domain *ret_domain)
{
    char secret[33];
    *ret_domain =
        (struct store_domain){.redirect_policy = "none", .created_ms = clock_realtime_ms()};
    ret_domain->updated_ms = ret_domain->created_ms;
    id_make("dom_", ret_domain->id);
    snprintf(ret_domain->tenant_id, sizeof(ret_domain->tenant_id), "%s", tenant_id);
    snprintf(ret_domain->hostname, sizeof(ret_domain->hostname), "%s", hostname);
    snprintf(ret_domain->token, sizeof(ret_domain->token), "%s%s", token_prefix,
             secret_make(secret, sizeof(secret)));
}

int domain_attach(struct api *api, const char *tenant_id, const char *hostname,
                  const char *deployment_id, struct error *err)
{
    struct store_domain domain;
    bool is_new = directory_get_domain(api->directory, tenant_id, hostname, &domain, NULL) < 0;
    if (is_new) {
        domain_make(tenant_id, hostname, &domain);
    }
    snprintf(domain.deployment_id, sizeof(domain.deployment_id), "%s", deployment_id);
    domain.updated_ms = clock_realtime_ms();
    int result = directory_put_domain(api->directory, &domain, is_new, err);
    domain_clear(&domain);
    return result;
}

json_t *domains_of_deployment(struct api *api, const struct store_deployment *deployment)
{
    auto_free struct store_domain *domains = NULL;
    size_t count = 0;
    json_t *list = json_array();
    directory_list_domains(api->directory, deployment->tenant_id, deployment->id, &domains, &count,
                           NULL);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, domain_object(api, &domains[i]));
    }
    return list;
}

int domains_detach(struct api *api, const struct store_deployment *deployment, struct error *err)
{
    auto_free struct store_domain *domains = NULL;
    size_t count = 0;
    if (directory_list_domains(api->directory, deployment->tenant_id, deployment->id, &domains,
                               &count, err) < 0) {
        return -1;
    }
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        result = domain_attach(api, deployment->tenant_id, domains[i].hostname, "", err);
    }
    return result;
}
