#include "sandbox/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int find_destroyed(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   struct sandbox_record *ret_record, struct error *err)
{
    int found =
        id_valid("sbx_", id) ? store_sandbox_find(sandboxes->store, id, ret_record, err) : 0;
    if (found < 0) {
        return -1;
    }
    if (found && strcmp(ret_record->tenant_id, principal->tenant_id) == 0) {
        return 0;
    }
    if (found) {
        sandbox_record_clear(ret_record);
    }
    return error_set(err, ERR_NOT_FOUND, 0, "sandbox not found");
}

static json_t *object_of(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    pthread_mutex_lock(&sandbox->mutex);
    json_t *object = sandbox_object(sandboxes, &sandbox->record, sandbox);
    pthread_mutex_unlock(&sandbox->mutex);
    return object;
}

int sandbox_get(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                json_t **ret_json, struct error *err)
{
    struct sandbox *sandbox = registry_find(sandboxes, principal->tenant_id, id);
    if (sandbox) {
        if (ret_json) {
            *ret_json = object_of(sandboxes, sandbox);
        }
        sandbox_unref(sandbox);
        return 0;
    }
    struct sandbox_record record;
    if (find_destroyed(sandboxes, principal, id, &record, err) < 0) {
        return -1;
    }
    if (ret_json) {
        *ret_json = sandbox_object(sandboxes, &record, NULL);
    }
    sandbox_record_clear(&record);
    return 0;
}

static bool has_name(const struct sandbox *sandbox, void *context)
{
    return sandbox->record.files && strcmp(sandbox->record.name, context) == 0;
}

int sandbox_by_name(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *name, json_t **ret_json, struct error *err)
{
    struct sandbox **found = NULL;
    size_t count = 0;
    char wanted[sizeof(found[0]->record.name)];
    if (name[0] == '\0' || strlen(name) >= sizeof(wanted)) {
        return error_set(err, ERR_NOT_FOUND, 0, "there is no sandbox of that name");
    }
    memcpy(wanted, name, strlen(name) + 1);
    if (registry_select(sandboxes, principal->tenant_id, has_name, wanted, 1, &found, &count) < 0) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "find a sandbox by name");
    }
    if (count == 0) {
        return error_set(err, ERR_NOT_FOUND, 0, "there is no sandbox named '%s'", wanted);
    }
    if (ret_json) {
        *ret_json = object_of(sandboxes, found[0]);
    }
    sandbox_unref(found[0]);
    free(found);
    return 0;
}
