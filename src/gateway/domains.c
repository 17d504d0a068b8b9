#include "gateway/domains.h"

#include "base/fault.h"
#include "gateway/directory_private.h"
#include "gateway/host_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct domain_entry *entry_of(const struct table_node *node)
{
    return node ? TABLE_ENTRY(node, struct domain_entry, by_hostname) : NULL;
}

static struct domain_entry *find_of_tenant(struct directory *directory, const char *tenant_id,
                                           const char *hostname)
{
    struct table_node *node = table_find(&directory->domains, hostname);
    while (node && strcmp(entry_of(node)->record.tenant_id, tenant_id) != 0) {
        node = table_next(node);
    }
    return entry_of(node);
}

struct domain_entry *domain_find_verified(struct directory *directory, const char *hostname)
{
    struct table_node *node = table_find(&directory->domains, hostname);
    while (node && !entry_of(node)->record.verified_ms) {
        node = table_next(node);
    }
    return entry_of(node);
}

static int no_domain(struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, 0, "there is no such domain");
}

int domain_check_hostname(const struct settings *settings, const char *field, const char *hostname,
                          struct error *err)
{
    if (!host_name_valid(hostname)) {
        error_set_field(err, ERR_VALIDATION, field,
                        "%s must be a host name in lower case such as app.example.com", field);
        return error_hint(err, "Names in other scripts are written as xn--… (punycode).");
    }
    size_t length = strlen(hostname), own = strlen(settings->domain);
    bool is_own = length >= own && strcasecmp(hostname + length - own, settings->domain) == 0 &&
                  (length == own || hostname[length - own - 1] == '.');
    return is_own ? error_set_field(err, ERR_VALIDATION, field,
                                    "%s must not lie in %s, which is this "
                                    "instance's own",
                                    field, settings->domain)
                  : 0;
}

/* Takes record.pem over. */
static int add_entry(struct directory *directory, const struct store_domain *record,
                     struct error *err)
{
    struct domain_entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        free(record->pem);
        return error_set(err, ERR_INTERNAL, errno, "keep a domain");
    }
    entry->record = *record;
    pthread_rwlock_wrlock(&directory->lock);
    entry->generation = ++directory->generation;
    table_add(&directory->domains, &entry->by_hostname, entry->record.hostname);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}

void domain_clear_pem(struct store_domain *record)
{
    if (record->pem) {
        explicit_bzero(record->pem, strlen(record->pem));
        free(record->pem);
        record->pem = NULL;
    }
}

static void replace_entry(struct directory *directory, struct domain_entry *entry,
                          const struct store_domain *record)
{
    pthread_rwlock_wrlock(&directory->lock);
    domain_clear_pem(&entry->record);
    entry->record = *record;
    entry->generation = ++directory->generation;
    pthread_rwlock_unlock(&directory->lock);
}

static size_t count_of(struct directory *directory, const char *tenant_id)
{
    size_t count = 0;
    for (struct table_node *node = table_each(&directory->domains, NULL); node;
         node = table_each(&directory->domains, node)) {
        count += strcmp(entry_of(node)->record.tenant_id, tenant_id) == 0;
    }
    return count;
}

static int check_new(struct directory *directory, const struct store_domain *domain,
                     struct error *err)
{
    if (domain_find_verified(directory, domain->hostname)) {
        return error_set_field(err, ERR_NAME_TAKEN, "hostname", "this host name is taken");
    }
    if (count_of(directory, domain->tenant_id) < DOMAINS_MAX) {
        return 0;
    }
    error_set(err, ERR_CAPACITY, 0, "this tenant has %d domains", DOMAINS_MAX);
    return error_hint(err, "Delete domains with DELETE /domains/{hostname}.");
}

int directory_put_domain(struct directory *directory, const struct store_domain *domain,
                         bool is_new, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct domain_entry *entry = find_of_tenant(directory, domain->tenant_id, domain->hostname);
    if (entry && strcmp(entry->record.id, domain->id) != 0) {
        return error_set_field(err, ERR_NAME_TAKEN, "hostname", "you have this domain already");
    }
    if (!entry && !is_new) {
        return no_domain(err);
    }
    bool becomes_proven = domain->verified_ms && !(entry && entry->record.verified_ms);
    if ((!entry || becomes_proven) &&
        preview_domain_of_others(directory, domain->tenant_id, domain->hostname, true)) {
        return error_set_field(err, ERR_NAME_TAKEN, "hostname", "this host name is taken");
    }
    if ((!entry && check_new(directory, domain, err) < 0) ||
        store_domain_put(directory->store, domain, err) < 0) {
        return -1;
    }
    FAULT_POINT("domain.recorded");
    struct store_domain record = *domain;
    if (domain->pem && !(record.pem = strdup(domain->pem))) {
        return error_set(err, ERR_INTERNAL, errno, "keep a domain");
    }
    if (!entry) {
        return add_entry(directory, &record, err);
    }
    replace_entry(directory, entry, &record);
    return 0;
}

int directory_get_domain(struct directory *directory, const char *tenant_id, const char *hostname,
                         struct store_domain *ret_domain, struct error *err)
{
    pthread_rwlock_rdlock(&directory->lock);
    struct domain_entry *entry = find_of_tenant(directory, tenant_id, hostname);
    bool copied = entry;
    if (entry) {
        *ret_domain = entry->record;
        ret_domain->pem = entry->record.pem ? strdup(entry->record.pem) : NULL;
        copied = ret_domain->pem || !entry->record.pem;
    }
    pthread_rwlock_unlock(&directory->lock);
    if (entry && !copied) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "read a domain");
    }
    return entry ? 0 : no_domain(err);
}

static int newest_first(const void *a, const void *b)
{
    const struct store_domain *first = a, *second = b;
    return strcmp(second->id, first->id);
}

int directory_list_domains(struct directory *directory, const char *tenant_id,
                           const char *deployment_id, struct store_domain **ret_domains,
                           size_t *ret_count, struct error *err)
{
    static char present[] = "";
    size_t count = 0;
    pthread_rwlock_rdlock(&directory->lock);
    struct store_domain *domains = calloc(count_of(directory, tenant_id) + 1, sizeof(*domains));
    for (struct table_node *node = domains ? table_each(&directory->domains, NULL) : NULL; node;
         node = table_each(&directory->domains, node)) {
        const struct store_domain *record = &entry_of(node)->record;
        if (strcmp(record->tenant_id, tenant_id) == 0 &&
            (!deployment_id || strcmp(record->deployment_id, deployment_id) == 0)) {
            domains[count] = *record;
            domains[count++].pem = record->pem ? present : NULL;
        }
    }
    pthread_rwlock_unlock(&directory->lock);
    if (!domains) {
        return error_set(err, ERR_INTERNAL, errno, "list domains");
    }
    qsort(domains, count, sizeof(*domains), newest_first);
    *ret_domains = domains;
    *ret_count = count;
    return 0;
}

/* The lock is held for writing. */
static void free_entry(struct directory *directory, struct domain_entry *entry)
{
    table_remove(&directory->domains, &entry->by_hostname);
    domain_clear_pem(&entry->record);
    free(entry);
}

int directory_delete_domain(struct directory *directory, const char *tenant_id,
                            const char *hostname, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct domain_entry *entry = find_of_tenant(directory, tenant_id, hostname);
    if (!entry) {
        return no_domain(err);
    }
    if (store_domain_delete(directory->store, entry->record.id, err) < 0) {
        return -1;
    }
    FAULT_POINT("domain.deleted");
    pthread_rwlock_wrlock(&directory->lock);
    free_entry(directory, entry);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}

bool directory_challenge(struct directory *directory, const char *hostname, const char *path,
                         char *text, size_t size)
{
    static const char start[] = "/.well-known/atoll-challenge/";
    if (!path || strncmp(path, start, strlen(start)) != 0) {
        return false;
    }
    pthread_rwlock_rdlock(&directory->lock);
    struct table_node *node = table_find(&directory->domains, hostname);
    struct domain_entry *entry = entry_of(node);
    /* That a name leads here proves nothing about who of two wants it. */
    bool good = entry && !table_next(node) && !entry->record.verified_ms &&
                !preview_domain_of_others(directory, entry->record.tenant_id, hostname, false) &&
                strcmp(path + strlen(start), entry->record.token) == 0;
    if (good) {
        snprintf(text, size, "%s", entry->record.token);
    }
    pthread_rwlock_unlock(&directory->lock);
    return good;
}

struct load {
    struct directory *directory;
    struct error *err;
    int result;
};

static void load_domain(void *context, struct store_domain *domain)
{
    struct load *load = context;
    if (load->result < 0 || add_entry(load->directory, domain, load->err) < 0) {
        load->result = -1;
    }
}

int directory_load_domains(struct directory *directory, struct error *err)
{
    struct load load = {directory, err, 0};
    if (store_domains_each(directory->store, load_domain, &load, err) < 0) {
        return -1;
    }
    return load.result;
}

void directory_free_domains(struct directory *directory)
{
    struct table_node *node;
    while ((node = table_each(&directory->domains, NULL))) {
        free_entry(directory, entry_of(node));
    }
}
