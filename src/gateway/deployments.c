#include "gateway/deployments.h"

#include "base/clock.h"
#include "base/fault.h"
#include "gateway/directory_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CLAIM_MS = 24 * 3600 * 1000 }; /* how long an Idempotency-Key counts */

static struct deployment_entry *find_by_id(struct directory *directory, const char *tenant_id,
                                           const char *id)
{
    struct table_node *node = table_find(&directory->deployment_ids, id);
    struct deployment_entry *entry =
        node ? TABLE_ENTRY(node, struct deployment_entry, by_id) : NULL;
    return entry && strcmp(entry->record.tenant_id, tenant_id) == 0 ? entry : NULL;
}

static int no_deployment(struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, 0, "there is no such deployment");
}

/* Puts the record, of which the references are taken over, into a new entry. */
static int add_entry(struct directory *directory, struct store_deployment *record,
                     struct error *err)
{
    struct deployment_entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        json_decref(record->spec);
        return error_set(err, ERR_INTERNAL, errno, "keep a deployment");
    }
    entry->record = *record;
    snprintf(entry->host, sizeof(entry->host), "%s.%s", record->slug, record->tenant_slug);
    pthread_rwlock_wrlock(&directory->lock);
    table_add(&directory->deployment_ids, &entry->by_id, entry->record.id);
    table_add(&directory->deployment_hosts, &entry->by_host, entry->host);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}

static size_t count_of(struct directory *directory, const char *tenant_id)
{
    size_t count = 0;
    for (struct table_node *node = table_each(&directory->deployment_ids, NULL); node;
         node = table_each(&directory->deployment_ids, node)) {
        struct deployment_entry *entry = TABLE_ENTRY(node, struct deployment_entry, by_id);
        count += strcmp(entry->record.tenant_id, tenant_id) == 0;
    }
    return count;
}

/* spec, slug and ids are as they were found, or as they will be for ever. */
static void replace_entry(struct directory *directory, struct deployment_entry *entry,
                          const struct store_deployment *record)
{
    pthread_rwlock_wrlock(&directory->lock);
    json_decref(entry->record.spec);
    entry->record = *record;
    pthread_rwlock_unlock(&directory->lock);
}

int directory_put_deployment(struct directory *directory, struct store_deployment *deployment,
                             bool is_new, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct deployment_entry *entry = find_by_id(directory, deployment->tenant_id, deployment->id);
    if (!entry && !is_new) {
        return no_deployment(err);
    }
    if (!entry && count_of(directory, deployment->tenant_id) >= DEPLOYMENTS_MAX) {
        error_set(err, ERR_CAPACITY, 0, "this tenant has %d deployments", DEPLOYMENTS_MAX);
        return error_hint(err, "Delete deployments with DELETE /deployments/{id}.");
    }
    if (store_tenant_slug(directory->store, deployment->tenant_id, deployment->tenant_slug, err) <
            0 ||
        store_deployment_put(directory->store, deployment, err) < 0) {
        return -1;
    }
    FAULT_POINT("deployment.recorded");
    struct store_deployment record = *deployment;
    json_incref(record.spec);
    if (!entry) {
        return add_entry(directory, &record, err);
    }
    replace_entry(directory, entry, &record);
    return 0;
}

/* A copy that does not share what others may change. */
static void copy_record(const struct deployment_entry *entry, struct store_deployment *ret_record)
{
    *ret_record = entry->record;
    json_incref(ret_record->spec);
}

int directory_get_deployment(struct directory *directory, const char *tenant_id, const char *id,
                             struct store_deployment *ret_deployment, struct error *err)
{
    pthread_rwlock_rdlock(&directory->lock);
    struct deployment_entry *entry = find_by_id(directory, tenant_id, id);
    if (entry) {
        copy_record(entry, ret_deployment);
    }
    pthread_rwlock_unlock(&directory->lock);
    return entry ? 0 : no_deployment(err);
}

static bool has_claim(const struct store_deployment *record, const char *tenant_id,
                      const char *sandbox_id, const char *claim)
{
    const char *own = json_string_value(json_object_get(record->spec, "claim"));
    return own && strcmp(own, claim) == 0 && strcmp(record->tenant_id, tenant_id) == 0 &&
           strcmp(record->sandbox_id, sandbox_id) == 0 &&
           record->updated_ms > clock_realtime_ms() - CLAIM_MS;
}

bool directory_deployment_of_claim(struct directory *directory, const char *tenant_id,
                                   const char *sandbox_id, const char *claim,
                                   struct store_deployment *ret_deployment)
{
    bool found = false;
    pthread_rwlock_rdlock(&directory->lock);
    for (struct table_node *node = table_each(&directory->deployment_ids, NULL); node && !found;
         node = table_each(&directory->deployment_ids, node)) {
        struct deployment_entry *entry = TABLE_ENTRY(node, struct deployment_entry, by_id);
        found = has_claim(&entry->record, tenant_id, sandbox_id, claim);
        if (found) {
            copy_record(entry, ret_deployment);
        }
    }
    pthread_rwlock_unlock(&directory->lock);
    return found;
}

static int newest_first(const void *a, const void *b)
{
    const struct store_deployment *first = a, *second = b;
    return strcmp(second->id, first->id);
}

int directory_list_deployments(struct directory *directory, const char *tenant_id,
                               struct store_deployment **ret_deployments, size_t *ret_count,
                               struct error *err)
{
    size_t count = 0;
    pthread_rwlock_rdlock(&directory->lock);
    struct store_deployment *deployments =
        calloc(count_of(directory, tenant_id) + 1, sizeof(*deployments));
    for (struct table_node *node = deployments ? table_each(&directory->deployment_ids, NULL)
                                               : NULL;
         node; node = table_each(&directory->deployment_ids, node)) {
        struct deployment_entry *entry = TABLE_ENTRY(node, struct deployment_entry, by_id);
        if (strcmp(entry->record.tenant_id, tenant_id) == 0) {
            copy_record(entry, &deployments[count++]);
        }
    }
    pthread_rwlock_unlock(&directory->lock);
    if (!deployments) {
        return error_set(err, ERR_INTERNAL, errno, "list deployments");
    }
    qsort(deployments, count, sizeof(*deployments), newest_first);
    *ret_deployments = deployments;
    *ret_count = count;
    return 0;
}

void deployments_free(struct store_deployment *deployments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(deployments[i].spec);
    }
    free(deployments);
}

/* The lock is held for writing. */
static void free_entry(struct directory *directory, struct deployment_entry *entry)
{
    table_remove(&directory->deployment_ids, &entry->by_id);
    table_remove(&directory->deployment_hosts, &entry->by_host);
    json_decref(entry->record.spec);
    free(entry);
}

int directory_delete_deployment(struct directory *directory, const char *tenant_id, const char *id,
                                struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct deployment_entry *entry = find_by_id(directory, tenant_id, id);
    if (!entry) {
        return no_deployment(err);
    }
    if (store_deployment_delete(directory->store, id, err) < 0) {
        return -1;
    }
    FAULT_POINT("deployment.deleted");
    pthread_rwlock_wrlock(&directory->lock);
    free_entry(directory, entry);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}

struct load {
    struct directory *directory;
    struct error *err;
    int result;
};

static void load_deployment(void *context, struct store_deployment *deployment)
{
    struct load *load = context;
    if (load->result < 0 || add_entry(load->directory, deployment, load->err) < 0) {
        load->result = -1;
    }
}

int directory_load_deployments(struct directory *directory, struct error *err)
{
    struct load load = {directory, err, 0};
    if (store_deployments_each(directory->store, load_deployment, &load, err) < 0) {
        return -1;
    }
    return load.result;
}

void directory_free_deployments(struct directory *directory)
{
    struct table_node *node;
    while ((node = table_each(&directory->deployment_ids, NULL))) {
        free_entry(directory, TABLE_ENTRY(node, struct deployment_entry, by_id));
    }
}
