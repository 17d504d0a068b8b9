#include "sandbox/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * What the gateway asks for with each request. It must not wait for a change that writes to the store
 * or waits for atoll-host, so each sandbox has a copy of the few things of interest under a lock that is
 * never held for longer than it takes to copy them.
 */

int64_t sandbox_last_activity_ms(const struct sandbox *sandbox)
{
    int64_t touched_ms = atomic_load(&sandbox->touched_ms);
    return touched_ms > sandbox->last_activity_ms ? touched_ms : sandbox->last_activity_ms;
}

static int app_port_of(const struct sandboxes *sandboxes, const struct sandbox_record *record)
{
    json_t *port = json_object_get(record->app, "port");
    const struct template_definition *definition =
        json_is_integer(port) ? NULL : catalogue_find(sandboxes->catalogue, record->template_id);
    if (definition) {
        port = json_object_get(definition->json, "preview_port");
    }
    return (int)json_integer_value(port);
}

/* Is something started with its processes, which may be about to listen? */
static bool brings_back(const struct sandbox_record *record)
{
    const char *name;
    json_t *service;
    if (record->app && !json_is_true(json_object_get(record->app, "stopped"))) {
        return true;
    }
    json_object_foreach(record->services, name, service)
    {
        if (!json_is_true(json_object_get(service, "stopped"))) {
            return true;
        }
    }
    return false;
}

static struct sandbox_view view_of(const struct sandboxes *sandboxes, const struct sandbox *sandbox)
{
    const struct sandbox_record *record = &sandbox->record;
    struct sandbox_view view = {
        .state = sandbox_state_runs(sandbox->state) ? SANDBOX_RUNNING : sandbox->state,
        .auto_resume = record->auto_resume != 0,
        .run = sandbox->run,
        .run_since_ms = sandbox->run_since_ms,
        .brings_back = brings_back(record),
        .app_port = app_port_of(sandboxes, record),
    };
    memcpy(view.id, record->id, sizeof(view.id));
    memcpy(view.tenant_id, record->tenant_id, sizeof(view.tenant_id));
    memcpy(view.slug, record->slug, sizeof(view.slug));
    memcpy(view.template_id, record->template_id, sizeof(view.template_id));
    return view;
}

static struct sandbox **slug_bucket(struct sandboxes *sandboxes, const char *slug)
{
    return &sandboxes->by_slug[registry_hash(slug) % ID_BUCKETS];
}

/* Lock held for writing. */
static void unlink_slug(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    if (sandbox->has_slug) {
        struct sandbox **link = slug_bucket(sandboxes, sandbox->view.slug);
        while (*link != sandbox) {
            link = &(*link)->next_by_slug;
        }
        *link = sandbox->next_by_slug;
        sandbox->has_slug = false;
    }
}

void view_publish(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct sandbox_view view = view_of(sandboxes, sandbox);
    pthread_rwlock_wrlock(&sandboxes->views_lock);
    unlink_slug(sandboxes, sandbox);
    sandbox->view = view;
    if (sandbox->record.files) { /* otherwise its slug may be another one's already */
        struct sandbox **bucket = slug_bucket(sandboxes, view.slug);
        sandbox->next_by_slug = *bucket;
        *bucket = sandbox;
        sandbox->has_slug = true;
    }
    pthread_rwlock_unlock(&sandboxes->views_lock);
}

void view_remove(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    pthread_rwlock_wrlock(&sandboxes->views_lock);
    unlink_slug(sandboxes, sandbox);
    pthread_rwlock_unlock(&sandboxes->views_lock);
}

static bool peek_by_id(struct sandboxes *sandboxes, const char *id, struct sandbox_view *ret_view)
{
    struct sandbox *sandbox = registry_find(sandboxes, NULL, id);
    if (!sandbox) {
        return false;
    }
    pthread_rwlock_rdlock(&sandboxes->views_lock);
    *ret_view = sandbox->view;
    pthread_rwlock_unlock(&sandboxes->views_lock);
    sandbox_unref(sandbox);
    return true;
}

static bool peek_by_slug(struct sandboxes *sandboxes, const char *slug,
                         struct sandbox_view *ret_view)
{
    pthread_rwlock_rdlock(&sandboxes->views_lock);
    const struct sandbox *sandbox = *slug_bucket(sandboxes, slug);
    while (sandbox && strcmp(sandbox->view.slug, slug) != 0) {
        sandbox = sandbox->next_by_slug;
    }
    if (sandbox) {
        *ret_view = sandbox->view;
    }
    pthread_rwlock_unlock(&sandboxes->views_lock);
    return sandbox != NULL;
}

bool sandbox_peek(struct sandboxes *sandboxes, const char *id, const char *slug,
                  struct sandbox_view *ret_view)
{
    bool found =
        id ? peek_by_id(sandboxes, id, ret_view) : slug && peek_by_slug(sandboxes, slug, ret_view);
    return found && ret_view->state != SANDBOX_DESTROYED;
}

bool sandbox_await_end(struct sandboxes *sandboxes, const char *id, uint64_t run, int64_t wait_ms,
                       struct sandbox_view *ret_view)
{
    struct sandbox *sandbox = registry_find(sandboxes, NULL, id);
    if (sandbox) {
        int64_t until_ms = clock_monotonic_ms() + wait_ms;
        struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
        pthread_mutex_lock(&sandbox->mutex);
        while (sandbox_state_runs(sandbox->state) && sandbox->run == run &&
               pthread_cond_timedwait(&sandbox->changed, &sandbox->mutex, &until) != ETIMEDOUT) {
        }
        pthread_mutex_unlock(&sandbox->mutex);
        sandbox_unref(sandbox);
    }
    return sandbox_peek(sandboxes, id, NULL, ret_view);
}

/* The idle clock only moves on: the timer thread finds that out when it would have been due. */
void sandbox_touch(struct sandboxes *sandboxes, const char *id)
{
    struct sandbox *sandbox = registry_find(sandboxes, NULL, id);
    if (sandbox) {
        atomic_store(&sandbox->touched_ms, clock_monotonic_ms());
        sandbox_unref(sandbox);
    }
}
