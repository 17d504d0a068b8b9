#include "sandbox/internal.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t registry_hash(const char *text)
{
    size_t hash = 1469598103934665603u;
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    }
    return hash;
}

static struct tenant *find_tenant(struct sandboxes *sandboxes, const char *id)
{
    struct tenant *tenant = sandboxes->tenants[registry_hash(id) % TENANT_BUCKETS];
    while (tenant && strcmp(tenant->id, id) != 0) {
        tenant = tenant->next;
    }
    return tenant;
}

/* Finds or makes it; NULL on ENOMEM. Tenants are never forgotten: there are few. */
static struct tenant *ensure_tenant(struct sandboxes *sandboxes, const char *id)
{
    struct tenant *tenant = find_tenant(sandboxes, id);
    if (!tenant && (tenant = calloc(1, sizeof(*tenant)))) {
        struct tenant **bucket = &sandboxes->tenants[registry_hash(id) % TENANT_BUCKETS];
        snprintf(tenant->id, sizeof(tenant->id), "%s", id);
        tenant->next = *bucket;
        *bucket = tenant;
    }
    return tenant;
}

int registry_reserve(struct sandboxes *sandboxes, const char *tenant_id, struct error *err)
{
    pthread_rwlock_wrlock(&sandboxes->registry_lock);
    struct tenant *tenant = ensure_tenant(sandboxes, tenant_id);
    bool room = tenant && tenant->living < sandboxes->settings->max_sandboxes;
    if (room) {
        tenant->living++;
    }
    pthread_rwlock_unlock(&sandboxes->registry_lock);
    if (!tenant) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "register a sandbox");
    }
    return room ? 0
                : error_set(err, ERR_SANDBOX_LIMIT, 0,
                            "this tenant has its %lld sandboxes (running and paused ones count)",
                            (long long)sandboxes->settings->max_sandboxes);
}

void registry_release(struct sandboxes *sandboxes, const char *tenant_id)
{
    pthread_rwlock_rdlock(&sandboxes->registry_lock);
    struct tenant *tenant = find_tenant(sandboxes, tenant_id);
    assert(tenant && tenant->living > 0);
    atomic_fetch_sub(&tenant->living, 1);
    pthread_rwlock_unlock(&sandboxes->registry_lock);
}

struct sandbox *sandbox_new(struct sandbox_record *record, enum sandbox_state state)
{
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    if (!sandbox) {
        return NULL;
    }
    sandbox->record = *record;
    memcpy(sandbox->id, record->id, sizeof(sandbox->id));
    sandbox->state = state;
    atomic_init(&sandbox->references, 1);
    atomic_init(&sandbox->touched_ms, 0);
    pthread_mutex_init(&sandbox->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sandbox->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    /* What counted by the wall clock before goes on counting; idleness begins anew. */
    int64_t now_ms = clock_monotonic_ms();
    sandbox->last_activity_ms = now_ms;
    sandbox->run_since_ms = record->start_pending ? now_ms : 0; /* its app is started from now on */
    sandbox->timer_started_ms = now_ms - (clock_realtime_ms() - record->timer_started_ms);
    return sandbox;
}

struct sandbox *sandbox_ref(struct sandbox *sandbox)
{
    int before = atomic_fetch_add(&sandbox->references, 1);
    assert(before > 0);
    (void)before;
    return sandbox;
}

void sandbox_unref(struct sandbox *sandbox)
{
    if (atomic_fetch_sub(&sandbox->references, 1) == 1) {
        assert(!sandbox->busy && sandbox->uses == 0);
        sandbox_record_clear(&sandbox->record);
        pthread_cond_destroy(&sandbox->changed);
        pthread_mutex_destroy(&sandbox->mutex);
        free(sandbox);
    }
}

/* Lock held for writing. */
static void link_sandbox(struct sandboxes *sandboxes, struct tenant *tenant,
                         struct sandbox *sandbox)
{
    sandbox->tenant = tenant;
    sandbox->older = tenant->newest;
    if (tenant->newest) {
        tenant->newest->newer = sandbox;
    }
    tenant->newest = sandbox;
    struct sandbox **bucket = &sandboxes->by_id[registry_hash(sandbox->id) % ID_BUCKETS];
    sandbox->next_in_bucket = *bucket;
    *bucket = sandbox_ref(sandbox);
}

void registry_add(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    pthread_rwlock_wrlock(&sandboxes->registry_lock);
    struct tenant *tenant = find_tenant(sandboxes, sandbox->record.tenant_id);
    assert(tenant); /* made when its place was reserved */
    link_sandbox(sandboxes, tenant, sandbox);
    pthread_rwlock_unlock(&sandboxes->registry_lock);
    view_publish(sandboxes, sandbox);
}

int registry_restore(struct sandboxes *sandboxes, struct sandbox *sandbox, struct error *err)
{
    pthread_rwlock_wrlock(&sandboxes->registry_lock);
    struct tenant *tenant = ensure_tenant(sandboxes, sandbox->record.tenant_id);
    if (tenant) {
        tenant->living += sandbox->counted;
        link_sandbox(sandboxes, tenant, sandbox);
        view_publish(sandboxes, sandbox);
    }
    pthread_rwlock_unlock(&sandboxes->registry_lock);
    return tenant ? 0 : error_set(err, ERR_INTERNAL, ENOMEM, "load the sandboxes");
}

void registry_clear(struct sandboxes *sandboxes)
{
    for (size_t i = 0; i < ID_BUCKETS; i++) {
        while (sandboxes->by_id[i]) {
            struct sandbox *sandbox = sandboxes->by_id[i];
            sandboxes->by_id[i] = sandbox->next_in_bucket;
            view_remove(sandboxes, sandbox);
            sandbox_unref(sandbox);
        }
    }
    for (size_t i = 0; i < TENANT_BUCKETS; i++) {
        while (sandboxes->tenants[i]) {
            struct tenant *tenant = sandboxes->tenants[i];
            sandboxes->tenants[i] = tenant->next;
            free(tenant);
        }
    }
}

static void unlink_from_tenant(struct sandbox *sandbox)
{
    if (sandbox->newer) {
        sandbox->newer->older = sandbox->older;
    } else {
        sandbox->tenant->newest = sandbox->older;
    }
    if (sandbox->older) {
        sandbox->older->newer = sandbox->newer;
    }
}

void registry_remove(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    pthread_rwlock_wrlock(&sandboxes->registry_lock);
    struct sandbox **slot = &sandboxes->by_id[registry_hash(sandbox->id) % ID_BUCKETS];
    while (*slot && *slot != sandbox) {
        slot = &(*slot)->next_in_bucket;
    }
    assert(*slot == sandbox);
    *slot = sandbox->next_in_bucket;
    unlink_from_tenant(sandbox);
    pthread_rwlock_unlock(&sandboxes->registry_lock);
    view_remove(sandboxes, sandbox);
    sandbox_unref(sandbox);
}

struct sandbox *registry_find(struct sandboxes *sandboxes, const char *tenant_id, const char *id)
{
    pthread_rwlock_rdlock(&sandboxes->registry_lock);
    struct sandbox *sandbox = sandboxes->by_id[registry_hash(id) % ID_BUCKETS];
    while (sandbox && strcmp(sandbox->id, id) != 0) {
        sandbox = sandbox->next_in_bucket;
    }
    if (sandbox && tenant_id && strcmp(sandbox->tenant->id, tenant_id) != 0) {
        sandbox = NULL;
    }
    if (sandbox) {
        sandbox_ref(sandbox);
    }
    pthread_rwlock_unlock(&sandboxes->registry_lock);
    return sandbox;
}

struct selection {
    bool (*select)(const struct sandbox *sandbox, void *context);
    void *context;
    size_t max, count, capacity;
    struct sandbox **found;
};

static int select_one(struct selection *selection, struct sandbox *sandbox)
{
    pthread_mutex_lock(&sandbox->mutex);
    bool wanted = selection->select(sandbox, selection->context);
    pthread_mutex_unlock(&sandbox->mutex);
    if (!wanted || (selection->max && selection->count == selection->max)) {
        return 0;
    }
    if (selection->count == selection->capacity) {
        size_t capacity = selection->capacity ? 2 * selection->capacity : 16;
        struct sandbox **longer = realloc(selection->found, capacity * sizeof(*longer));
        if (!longer) {
            return -1;
        }
        selection->found = longer;
        selection->capacity = capacity;
    }
    selection->found[selection->count++] = sandbox_ref(sandbox);
    return 0;
}

static int select_of_tenant(struct selection *selection, const struct tenant *tenant)
{
    struct sandbox *sandbox = tenant ? tenant->newest : NULL;
    for (; sandbox; sandbox = sandbox->older) {
        if (select_one(selection, sandbox) < 0) {
            return -1;
        }
    }
    return 0;
}

int registry_select(struct sandboxes *sandboxes, const char *tenant_id,
                    bool (*select)(const struct sandbox *sandbox, void *context), void *context,
                    size_t max, struct sandbox ***ret_found, size_t *ret_count)
{
    struct selection selection = {.select = select, .context = context, .max = max};
    int result = 0;
    pthread_rwlock_rdlock(&sandboxes->registry_lock);
    if (tenant_id) {
        result = select_of_tenant(&selection, find_tenant(sandboxes, tenant_id));
    }
    for (size_t i = 0; !tenant_id && result == 0 && i < TENANT_BUCKETS; i++) {
        const struct tenant *tenant = sandboxes->tenants[i];
        for (; tenant && result == 0; tenant = tenant->next) {
            result = select_of_tenant(&selection, tenant);
        }
    }
    pthread_rwlock_unlock(&sandboxes->registry_lock);
    if (result < 0) {
        for (size_t i = 0; i < selection.count; i++) {
            sandbox_unref(selection.found[i]);
        }
        free(selection.found);
        return -1;
    }
    *ret_found = selection.found;
    *ret_count = selection.count;
    return 0;
}
