/* The domains of tenants that serve their previews under one of their own. */
#include "base/log.h"
#include "sandbox/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct preview_domain {
    struct preview_domain *next;
    char tenant_id[ID_SIZE], hostname[PREVIEW_DOMAIN_SIZE];
};

/* Where the tenant's is linked, or would be. The lock is held. */
static struct preview_domain **link_of(struct sandboxes *sandboxes, const char *tenant_id)
{
    struct preview_domain **link =
        &sandboxes->preview_domains[registry_hash(tenant_id) % TENANT_BUCKETS];
    while (*link && strcmp((*link)->tenant_id, tenant_id) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static struct preview_domain *domain_new(const char *tenant_id, const char *hostname)
{
    struct preview_domain *domain = calloc(1, sizeof(*domain));
    if (!domain) {
        log_error("sandbox.preview_domain", "tenant=%s error=%s", tenant_id, strerror(errno));
        return NULL;
    }
    snprintf(domain->tenant_id, sizeof(domain->tenant_id), "%s", tenant_id);
    snprintf(domain->hostname, sizeof(domain->hostname), "%s", hostname);
    return domain;
}

void sandboxes_set_preview_domain(struct sandboxes *sandboxes, const char *tenant_id,
                                  const char *hostname)
{
    struct preview_domain *added = hostname ? domain_new(tenant_id, hostname) : NULL;
    pthread_rwlock_wrlock(&sandboxes->views_lock);
    struct preview_domain **link = link_of(sandboxes, tenant_id);
    struct preview_domain *old = *link;
    if (old) {
        *link = old->next;
    }
    if (added) {
        added->next = *link;
        *link = added;
    }
    pthread_rwlock_unlock(&sandboxes->views_lock);
    free(old);
}

bool sandboxes_preview_domain(struct sandboxes *sandboxes, const char *tenant_id,
                              char hostname[PREVIEW_DOMAIN_SIZE])
{
    pthread_rwlock_rdlock(&sandboxes->views_lock);
    const struct preview_domain *domain = *link_of(sandboxes, tenant_id);
    if (domain) {
        memcpy(hostname, domain->hostname, sizeof(domain->hostname));
    }
    pthread_rwlock_unlock(&sandboxes->views_lock);
    return domain;
}

void preview_domains_clear(struct sandboxes *sandboxes)
{
    for (size_t i = 0; i < TENANT_BUCKETS; i++) {
        while (sandboxes->preview_domains[i]) {
            struct preview_domain *domain = sandboxes->preview_domains[i];
            sandboxes->preview_domains[i] = domain->next;
            free(domain);
        }
    }
}
