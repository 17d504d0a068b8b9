#include "sandbox/snapshot_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/store_snapshot_names.h"

#include <string.h>

int snapshot_find(struct sandboxes *sandboxes, const char *tenant_id, const char *sandbox_id,
                  const char *id, struct store_snapshot *ret_snapshot, struct error *err)
{
    int found = id_valid("snp_", id)
                    ? store_snapshot_find(sandboxes->store, tenant_id, id, ret_snapshot, err)
                    : 0;
    if (found < 0) {
        return -1;
    }
    if (found && (!sandbox_id || strcmp(ret_snapshot->sandbox_id, sandbox_id) == 0)) {
        return 0;
    }
    if (found) {
        store_snapshot_clear(ret_snapshot);
    }
    return error_set(err, ERR_NOT_FOUND, 0, "snapshot not found");
}

/* Can its files be used? */
static int check_ready(const struct store_snapshot *snapshot, struct error *err)
{
    switch (snapshot->status) {
    case SNAPSHOT_READY:
        return 0;
    case SNAPSHOT_CREATING:
        return error_set(err, ERR_SNAPSHOT_NOT_READY, 0, "the snapshot is still being taken");
    case SNAPSHOT_FAILED:
        break;
    }
    error_set(err, ERR_NOT_RESTORABLE, 0, "the snapshot cannot be used: %s", snapshot->error);
    return error_hint(err, "Use another snapshot.");
}

int snapshot_find_ready(struct sandboxes *sandboxes, const char *tenant_id, const char *sandbox_id,
                        const char *id, struct store_snapshot *ret_snapshot, struct error *err)
{
    struct store_snapshot_name name;
    int named = id_valid("snp_", id)
                    ? 0
                    : store_snapshot_name_find(sandboxes->store, tenant_id, id, &name, err);
    if (named < 0 || snapshot_find(sandboxes, tenant_id, sandbox_id, named ? name.snapshot_id : id,
                                   ret_snapshot, err) < 0) {
        return -1;
    }
    if (check_ready(ret_snapshot, err) < 0) {
        store_snapshot_clear(ret_snapshot);
        return -1;
    }
    return 0;
}

int snapshot_find_held(struct sandboxes *sandboxes, const char *tenant_id, const char *sandbox_id,
                       const char *id, enum snapshot_hold_kind kind, struct snapshot_hold *hold,
                       struct store_snapshot *ret_snapshot, struct error *err)
{
    *hold = (struct snapshot_hold){0};
    /* Looked up first, so that nobody holds what is another tenant's; again, since it may be deleted between. */
    if (snapshot_find_ready(sandboxes, tenant_id, sandbox_id, id, ret_snapshot, err) < 0) {
        return -1;
    }
    char found[ID_SIZE];
    memcpy(found, ret_snapshot->id, sizeof(found));
    store_snapshot_clear(ret_snapshot);
    return hold_begin(sandboxes, hold, found, kind, sandbox_id, err) < 0
               ? -1
               : snapshot_find_ready(sandboxes, tenant_id, sandbox_id, found, ret_snapshot, err);
}

void snapshot_touch(struct sandboxes *sandboxes, const char *id, int64_t retention_sec)
{
    struct error err = {0};
    int64_t now_ms = clock_realtime_ms();
    if (store_snapshot_touch(sandboxes->store, id, now_ms,
                             retention_sec ? now_ms + retention_sec * 1000 : 0, &err) < 0) {
        log_warn("snapshot.touch", "id=%s error=%s", id, err.message);
    }
}
