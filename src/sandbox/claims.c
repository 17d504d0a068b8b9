/* Requests with an Idempotency-Key that made a sandbox, and were cut short by a crash before they were answered. */
#include "sandbox/snapshot_internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sandbox/snapshot_object.h"

#include <string.h>

enum claim_outcome { CLAIM_WAITS, CLAIM_ABANDONED, CLAIM_FINISHED };

/* What a request that made a sandbox is answered with. */
enum claim_reply { REPLY_SANDBOX, REPLY_FORK /* and the snapshot that it is of */, REPLY_OTHER };

static enum claim_reply reply_of(const char *route)
{
    if (strncmp(route, "POST /snapshots/", 16) == 0) {
        return REPLY_FORK;
    }
    return strstr(route, "/run") ? REPLY_OTHER : REPLY_SANDBOX;
}

/* Takes the sandbox's object; its mutex is held. NULL when the snapshot cannot be read now. */
static json_t *fork_reply(struct sandboxes *sandboxes, const struct sandbox_record *record,
                          json_t *object)
{
    struct store_snapshot snapshot;
    struct error err = {0};
    int found = store_snapshot_find(sandboxes->store, record->tenant_id, record->snapshot_id,
                                    &snapshot, &err);
    if (found < 0) {
        json_decref(object);
        return NULL;
    }
    json_object_set_new(object, "machine_type", json_string("sandbox"));
    json_t *reply = json_pack("{s:o, s:o}", "data", object, "snapshot",
                              found ? snapshot_object(sandboxes, &snapshot) : json_null());
    if (found) {
        store_snapshot_clear(&snapshot);
    }
    return reply;
}

/* As text, which may be NULL. Mutex held. */
static char *make_reply(struct sandboxes *sandboxes, const struct sandbox *sandbox,
                        enum claim_reply reply)
{
    json_t *object = sandbox_object(sandboxes, &sandbox->record, sandbox);
    if (reply == REPLY_FORK) {
        object = fork_reply(sandboxes, &sandbox->record, object);
    }
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

/* *ret_body: the reply that the client never got; or NULL when the create did not come to its end, or nobody knows
 * any more what else the reply held. */
static enum claim_outcome judge_claim(struct sandboxes *sandboxes, struct sandbox *sandbox,
                                      enum claim_reply reply, char **ret_body)
{
    pthread_mutex_lock(&sandbox->mutex);
    enum claim_outcome outcome = CLAIM_ABANDONED;
    if (sandbox->busy || sandbox->unresolved || sandbox->state == SANDBOX_PROVISIONING) {
        outcome = CLAIM_WAITS;
    } else if (reply != REPLY_OTHER && sandbox->state != SANDBOX_ERROR) {
        *ret_body = make_reply(sandboxes, sandbox, reply);
        outcome = *ret_body ? CLAIM_FINISHED : CLAIM_WAITS;
    }
    pthread_mutex_unlock(&sandbox->mutex);
    return outcome;
}

/* Nobody knows the id of a sandbox whose create was cut short and whose reply cannot be made up. */
static void destroy_orphan(struct sandboxes *sandboxes, struct sandbox *sandbox)
{
    struct error err = {0};
    if (change_begin_found(sandboxes, sandbox, CHANGE_WAIT_MS, &err) == 0) {
        if (destroy_busy(sandboxes, sandbox, "cut_short", &err) < 0) {
            log_warn("reconcile.unsettled", "id=%s error=%s", sandbox->record.id, err.message);
        }
        change_end(sandboxes, sandbox_ref(sandbox));
    }
}

/* Returns whether the claim is dealt with. */
static bool settle_claim(struct sandboxes *sandboxes, const struct store_claim *claim)
{
    struct sandbox *sandbox = registry_find(sandboxes, claim->tenant_id, claim->sandbox_id);
    auto_free char *body = NULL;
    enum claim_outcome outcome = CLAIM_ABANDONED;
    if (sandbox) {
        outcome = judge_claim(sandboxes, sandbox, reply_of(claim->route), &body);
        if (outcome == CLAIM_ABANDONED) {
            destroy_orphan(sandboxes, sandbox);
        }
        sandbox_unref(sandbox);
    }
    if (outcome == CLAIM_WAITS) {
        return false;
    }
    struct error err = {0};
    int result = outcome == CLAIM_FINISHED
                     ? store_idempotency_finish(sandboxes->store, claim->tenant_id, claim->route,
                                                claim->key, 201, body, &err)
                     : store_idempotency_abandon(sandboxes->store, claim->tenant_id, claim->route,
                                                 claim->key, &err);
    if (result < 0) {
        log_warn("reconcile.claim_failed", "id=%s error=%s", claim->sandbox_id, err.message);
    }
    return result == 0;
}

void claims_settle(struct sandboxes *sandboxes, bool *ret_again)
{
    size_t kept = 0;
    for (size_t i = 0; i < sandboxes->claim_count; i++) {
        if (!settle_claim(sandboxes, &sandboxes->claims[i])) {
            sandboxes->claims[kept++] = sandboxes->claims[i];
        }
    }
    sandboxes->claim_count = kept;
    *ret_again = *ret_again || kept > 0;
}
