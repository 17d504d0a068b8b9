#include "sandbox/internal.h"

#include <errno.h>

/* What belongs to a sandbox's app and services, for those who run them. */

/* Becomes the one that changes the sandbox; tenant_id NULL: whoever's it is. */
static struct sandbox *begin(struct sandboxes *sandboxes, const char *tenant_id, const char *id,
                             struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, tenant_id, id);
    if (!sandbox) {
        error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
        return NULL;
    }
    if (change_begin_found(sandboxes, sandbox, CHANGE_WAIT_MS, err) < 0) {
        sandbox_unref(sandbox);
        return NULL;
    }
    return sandbox;
}

static int read_member(struct sandboxes *sandboxes, const char *id, bool services,
                       json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, NULL, id);
    if (!sandbox) {
        return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
    }
    pthread_mutex_lock(&sandbox->mutex);
    *ret_json = json_incref(services ? sandbox->record.services : sandbox->record.app);
    pthread_mutex_unlock(&sandbox->mutex);
    sandbox_unref(sandbox);
    return 0;
}

int sandbox_get_app(struct sandboxes *sandboxes, const char *id, json_t **ret_app,
                    struct error *err)
{
    return read_member(sandboxes, id, false, ret_app, err);
}

int sandbox_get_services(struct sandboxes *sandboxes, const char *id, json_t **ret_services,
                         struct error *err)
{
    if (read_member(sandboxes, id, true, ret_services, err) < 0) {
        return -1;
    }
    if (!*ret_services) {
        *ret_services = json_object();
    }
    return 0;
}

int sandbox_set_app(struct sandboxes *sandboxes, const char *id, json_t *app, struct error *err)
{
    struct sandbox *sandbox = begin(sandboxes, NULL, id, err);
    if (!sandbox) {
        return -1;
    }
    struct sandbox_record next = sandbox->record;
    next.app = json_is_object(app) ? json_deep_copy(app) : NULL;
    int result = app && !next.app ? error_set(err, ERR_INTERNAL, ENOMEM, "keep an app")
                                  : change_commit_fields(sandboxes, sandbox, &next, err);
    change_end(sandboxes, sandbox);
    return result;
}

/* The services with one set, or taken away; the record's own object is shared and stays as it is. */
static json_t *services_with(json_t *services, const char *name, json_t *spec)
{
    json_t *changed = services ? json_copy(services) : json_object();
    if (!spec) {
        json_object_del(changed, name);
    } else if (json_object_set_new(changed, name, json_deep_copy(spec)) < 0) {
        json_decref(changed);
        return NULL;
    }
    return changed;
}

int sandbox_set_service(struct sandboxes *sandboxes, const char *id, const char *name, json_t *spec,
                        struct error *err)
{
    struct sandbox *sandbox = begin(sandboxes, NULL, id, err);
    if (!sandbox) {
        return -1;
    }
    struct sandbox_record next = sandbox->record;
    next.services = services_with(next.services, name, spec);
    int result;
    if (!next.services) {
        result = error_set(err, ERR_INTERNAL, ENOMEM, "keep service %s", name);
    } else if (json_object_size(next.services) > SANDBOX_SERVICES_MAX) {
        result = error_set_field(err, ERR_VALIDATION, "name", "a sandbox has at most %d services",
                                 SANDBOX_SERVICES_MAX);
        json_decref(next.services);
    } else {
        result = change_commit_fields(sandboxes, sandbox, &next, err);
    }
    change_end(sandboxes, sandbox);
    return result;
}

int sandbox_keep(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                 struct error *err)
{
    struct sandbox *sandbox = begin(sandboxes, principal->tenant_id, id, err);
    if (!sandbox) {
        return -1;
    }
    struct sandbox_record next = sandbox->record;
    int result = 0;
    if (!next.always_on || !next.persistent || next.idle_timeout_sec || !next.auto_resume) {
        next.always_on = 1;
        next.persistent = 1;
        next.idle_timeout_sec = 0;
        next.auto_resume = 1;
        result = change_commit_fields(sandboxes, sandbox, &next, err);
    }
    change_end(sandboxes, sandbox);
    return result;
}
