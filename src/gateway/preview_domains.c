#include "gateway/preview_domains.h"

#include "base/clock.h"
#include "base/fault.h"
#include "gateway/directory_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct preview_domain_entry *entry_of(const struct table_node *node)
{
    return node ? TABLE_ENTRY(node, struct preview_domain_entry, by_hostname) : NULL;
}

static struct preview_domain_entry *find_of_tenant(struct directory *directory,
                                                   const char *tenant_id)
{
    struct table_node *node = table_find(&directory->preview_domain_tenants, tenant_id);
    return node ? TABLE_ENTRY(node, struct preview_domain_entry, by_tenant) : NULL;
}

static struct preview_domain_entry *find_proven(struct directory *directory, const char *hostname)
{
    struct table_node *node = table_find(&directory->preview_domains, hostname);
    while (node && !entry_of(node)->record.verified_ms) {
        node = table_next(node);
    }
    return entry_of(node);
}

struct preview_domain_entry *preview_domain_above(struct directory *directory, const char *hostname)
{
    const char *dot = strchr(hostname, '.');
    struct preview_domain_entry *entry = dot ? find_proven(directory, dot + 1) : NULL;
    const struct domain_entry *domain = entry ? domain_find_verified(directory, hostname) : NULL;
    bool is_by_itself = domain && strcmp(domain->record.tenant_id, entry->record.tenant_id) == 0;
    return is_by_itself ? NULL : entry;
}

bool preview_domain_of_others(struct directory *directory, const char *tenant_id,
                              const char *hostname, bool proven)
{
    for (const char *name = hostname; name; name = strchr(name, '.')) {
        name += *name == '.';
        for (struct table_node *node = table_find(&directory->preview_domains, name); node;
             node = table_next(node)) {
            const struct store_domain *record = &entry_of(node)->record;
            if (strcmp(record->tenant_id, tenant_id) != 0 && (record->verified_ms || !proven)) {
                return true;
            }
        }
    }
    return false;
}

/* --- changes --- */

static void tell_sandboxes(struct directory *directory, const struct store_domain *record)
{
    sandboxes_set_preview_domain(directory->sandboxes, record->tenant_id,
                                 record->verified_ms ? record->hostname : NULL);
}

/* The lock is held for writing. */
static void free_entry(struct directory *directory, struct preview_domain_entry *entry)
{
    table_remove(&directory->preview_domains, &entry->by_hostname);
    table_remove(&directory->preview_domain_tenants, &entry->by_tenant);
    domain_clear_pem(&entry->record);
    free(entry);
}

/* A copy of the record with a copy of its pem; NULL on ENOMEM. */
static struct preview_domain_entry *entry_new(const struct store_domain *record)
{
    struct preview_domain_entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        return NULL;
    }
    entry->record = *record;
    if (record->pem && !(entry->record.pem = strdup(record->pem))) {
        free(entry);
        return NULL;
    }
    return entry;
}

/* The tenant's is this one from now on. */
static void keep(struct directory *directory, struct preview_domain_entry *entry)
{
    pthread_rwlock_wrlock(&directory->lock);
    struct preview_domain_entry *old = find_of_tenant(directory, entry->record.tenant_id);
    if (old) {
        free_entry(directory, old);
    }
    entry->generation = ++directory->generation;
    table_add(&directory->preview_domains, &entry->by_hostname, entry->record.hostname);
    table_add(&directory->preview_domain_tenants, &entry->by_tenant, entry->record.tenant_id);
    pthread_rwlock_unlock(&directory->lock);
    tell_sandboxes(directory, &entry->record);
}

/* The right to change is held. */
static int record(struct directory *directory, const struct store_domain *domain, struct error *err)
{
    const struct preview_domain_entry *proven = find_proven(directory, domain->hostname);
    if (proven && strcmp(proven->record.tenant_id, domain->tenant_id) != 0) {
        return error_set_field(err, ERR_NAME_TAKEN, "preview_domain", "this domain is taken");
    }
    struct preview_domain_entry *entry = entry_new(domain);
    if (!entry) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "keep a preview domain");
    }
    if (store_preview_domain_put(directory->store, domain, err) < 0) {
        domain_clear_pem(&entry->record);
        free(entry);
        return -1;
    }
    FAULT_POINT("preview_domain.recorded");
    keep(directory, entry);
    return 0;
}

int directory_put_preview_domain(struct directory *directory, const struct store_domain *domain,
                                 struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    const struct preview_domain_entry *entry = find_of_tenant(directory, domain->tenant_id);
    struct store_domain wanted = *domain;
    if (entry && strcmp(entry->record.hostname, domain->hostname) == 0) {
        const struct store_domain *had = &entry->record;
        memcpy(wanted.token, had->token, sizeof(wanted.token));
        wanted.verified_ms = had->verified_ms;
        wanted.created_ms = had->created_ms;
        if (!domain->pem) {
            wanted.pem = had->pem;
            wanted.certificate_expires_ms = had->certificate_expires_ms;
        }
    }
    return record(directory, &wanted, err);
}

int directory_prove_preview_domain(struct directory *directory, const char *tenant_id,
                                   const char *token, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    const struct preview_domain_entry *entry = find_of_tenant(directory, tenant_id);
    if (!entry || strcmp(entry->record.token, token) != 0) {
        return error_set(err, ERR_CONFLICT, 0, "the preview domain was changed meanwhile");
    }
    struct store_domain proven = entry->record;
    proven.verified_ms = proven.updated_ms = clock_realtime_ms();
    return record(directory, &proven, err);
}

int directory_delete_preview_domain(struct directory *directory, const char *tenant_id,
                                    struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct preview_domain_entry *entry = find_of_tenant(directory, tenant_id);
    if (!entry) {
        return 0;
    }
    if (store_preview_domain_delete(directory->store, tenant_id, err) < 0) {
        return -1;
    }
    FAULT_POINT("preview_domain.deleted");
    pthread_rwlock_wrlock(&directory->lock);
    free_entry(directory, entry);
    pthread_rwlock_unlock(&directory->lock);
    sandboxes_set_preview_domain(directory->sandboxes, tenant_id, NULL);
    return 0;
}

/* --- reading --- */

int directory_get_preview_domain(struct directory *directory, const char *tenant_id,
                                 struct store_domain *ret_domain, struct error *err)
{
    pthread_rwlock_rdlock(&directory->lock);
    const struct preview_domain_entry *entry = find_of_tenant(directory, tenant_id);
    struct preview_domain_entry *copy = entry ? entry_new(&entry->record) : NULL;
    pthread_rwlock_unlock(&directory->lock);
    if (!entry) {
        error_set(err, ERR_NOT_FOUND, 0, "this tenant has no preview domain");
        return error_hint(err, "Set one with PUT /tenant/preview-domain.");
    }
    if (!copy) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "read a preview domain");
    }
    *ret_domain = copy->record;
    free(copy);
    return 0;
}

bool directory_certificate(struct directory *directory, const char *hostname, char **ret_pem,
                           char name[DIRECTORY_HOST_SIZE], uint64_t *ret_generation)
{
    char *pem = NULL;
    pthread_rwlock_rdlock(&directory->lock);
    const struct preview_domain_entry *preview = preview_domain_above(directory, hostname);
    const struct domain_entry *domain = preview ? NULL : domain_find_verified(directory, hostname);
    if (preview && preview->record.pem) {
        pem = strdup(preview->record.pem);
        *ret_generation = preview->generation;
        snprintf(name, DIRECTORY_HOST_SIZE, "*.%.253s", preview->record.hostname);
    } else if (domain && domain->record.pem) {
        pem = strdup(domain->record.pem);
        *ret_generation = domain->generation;
        snprintf(name, DIRECTORY_HOST_SIZE, "%s", domain->record.hostname);
    }
    pthread_rwlock_unlock(&directory->lock);
    *ret_pem = pem;
    return pem;
}

/* --- loading, closing --- */

struct load {
    struct directory *directory;
    bool failed;
};

static void load_domain(void *context, struct store_domain *domain)
{
    struct load *load = context;
    struct preview_domain_entry *entry = entry_new(domain);
    domain_clear_pem(domain);
    load->failed |= !entry;
    if (entry) {
        keep(load->directory, entry);
    }
}

int directory_load_preview_domains(struct directory *directory, struct error *err)
{
    struct load load = {directory, false};
    if (store_preview_domains_each(directory->store, load_domain, &load, err) < 0) {
        return -1;
    }
    return load.failed ? error_set(err, ERR_INTERNAL, ENOMEM, "load preview domains") : 0;
}

void directory_free_preview_domains(struct directory *directory)
{
    struct table_node *node;
    while ((node = table_each(&directory->preview_domains, NULL))) {
        free_entry(directory, entry_of(node));
    }
}
