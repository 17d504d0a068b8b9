/* Custom domains, for the files that deal with deployments. */
#ifndef ATOLL_API_DOMAINS_H
#define ATOLL_API_DOMAINS_H

#include "api/api.h"
#include "store/store_deployments.h"
#include "store/store_domains.h"

/* A claim of the host name that nobody knows of yet. */
void domain_make(const char *tenant_id, const char *hostname, struct store_domain *ret_domain);

/* Frees what a record holds; keeps keys out of freed memory. */
void domain_clear(struct store_domain *domain);

/* Leads the tenant's domain of that name, which is made (pending) when it is missing, to the deployment. */
int domain_attach(struct api *api, const char *tenant_id, const char *hostname,
                  const char *deployment_id, struct error *err);

/* The domains of the deployment: [{hostname, status, verified, url, dns_records}]. */
json_t *domains_of_deployment(struct api *api, const struct store_deployment *deployment);

/* Lets its domains lead nowhere, since it is going. */
int domains_detach(struct api *api, const struct store_deployment *deployment, struct error *err);

#endif
