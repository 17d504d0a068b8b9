#include "sandbox/snapshot_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Mutex held. */
static const struct snapshot_hold *find_other(const struct sandboxes *sandboxes, const char *id,
                                              enum snapshot_hold_kind kind)
{
    const struct snapshot_hold *hold = sandboxes->holds;
    while (hold && (strcmp(hold->id, id) != 0 ||
                    (kind != SNAPSHOT_HOLD_DELETING && hold->kind != SNAPSHOT_HOLD_DELETING))) {
        hold = hold->next;
    }
    return hold;
}

int hold_begin(struct sandboxes *sandboxes, struct snapshot_hold *hold, const char *id,
               enum snapshot_hold_kind kind, const char *sandbox_id, struct error *err)
{
    *hold = (struct snapshot_hold){.kind = kind};
    snprintf(hold->id, sizeof(hold->id), "%s", id);
    snprintf(hold->sandbox_id, sizeof(hold->sandbox_id), "%s", sandbox_id ? sandbox_id : "");
    pthread_mutex_lock(&sandboxes->holds_mutex);
    bool refused = find_other(sandboxes, hold->id, kind) != NULL;
    if (!refused) {
        hold->next = sandboxes->holds;
        sandboxes->holds = hold;
    }
    pthread_mutex_unlock(&sandboxes->holds_mutex);
    if (!refused) {
        return 0;
    }
    hold->id[0] = '\0';
    return kind == SNAPSHOT_HOLD_DELETING
               ? error_set(err, ERR_SNAPSHOT_IN_USE, 0, "the snapshot is in use")
               : error_set(err, ERR_NOT_FOUND, 0, "the snapshot is being deleted");
}

void hold_end(struct sandboxes *sandboxes, struct snapshot_hold *hold)
{
    if (!hold->id[0]) {
        return;
    }
    pthread_mutex_lock(&sandboxes->holds_mutex);
    struct snapshot_hold **link = &sandboxes->holds;
    while (*link && *link != hold) {
        link = &(*link)->next;
    }
    assert(*link == hold);
    *link = hold->next;
    pthread_mutex_unlock(&sandboxes->holds_mutex);
    hold->id[0] = '\0';
}

/* The contract's names. */
static const char *kind_name(enum snapshot_hold_kind kind)
{
    switch (kind) {
    case SNAPSHOT_HOLD_TAKING:
        return "snapshot_in_progress";
    case SNAPSHOT_HOLD_RESTORE:
        return "restore_in_progress";
    case SNAPSHOT_HOLD_FORK:
        return "fork_in_progress";
    case SNAPSHOT_HOLD_VIEW:
        return "view_in_progress";
    case SNAPSHOT_HOLD_NAMING:
        return "naming_in_progress";
    case SNAPSHOT_HOLD_DELETING:
        break;
    }
    return "delete_in_progress";
}

static void add_name(struct sandboxes *sandboxes, const char *id, json_t *dependents)
{
    struct store_snapshot snapshot;
    struct error ignored = {0};
    if (store_snapshot_find(sandboxes->store, NULL, id, &snapshot, &ignored) > 0) {
        if (snapshot.name[0]) {
            json_array_append_new(dependents,
                                  json_pack("{s:s, s:s, s:s}", "type", "named_snapshot", "id",
                                            snapshot.name, "label", snapshot.name));
        }
        store_snapshot_clear(&snapshot);
    }
}

json_t *snapshot_dependents(struct sandboxes *sandboxes, const char *id)
{
    json_t *dependents = json_array();
    add_name(sandboxes, id, dependents);
    pthread_mutex_lock(&sandboxes->holds_mutex);
    for (const struct snapshot_hold *hold = sandboxes->holds; hold; hold = hold->next) {
        if (strcmp(hold->id, id) == 0) {
            const char *by = hold->sandbox_id[0] ? hold->sandbox_id : hold->id;
            json_array_append_new(
                dependents,
                json_pack("{s:s, s:s, s:s}", "type", kind_name(hold->kind), "id", by, "label", by));
        }
    }
    pthread_mutex_unlock(&sandboxes->holds_mutex);
    return dependents;
}
