#include "gateway/previews.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "gateway/directory_private.h"
#include "gateway/exposures.h"

#include <stdlib.h>
#include <string.h>

/* Changes between two looks for sandboxes that are gone. */
enum { SWEEP_CHANGES = 256 };

static struct preview_entry **find_preview(struct exposure *exposure, const char *preview_id)
{
    struct preview_entry **link = exposure ? &exposure->previews : NULL;
    while (link && *link && strcmp((*link)->record.id, preview_id) != 0) {
        link = &(*link)->next;
    }
    return link && *link ? link : NULL;
}

static int no_preview(struct error *err)
{
    return error_set(err, ERR_PREVIEW_NOT_FOUND, 0, "the sandbox has no such preview");
}

/* Forgets what belongs to sandboxes that are gone. The change mutex is held. */
static void sweep(struct directory *directory)
{
    struct error err = {0};
    char id[ID_SIZE];
    store_preview_tokens_prune(directory->store, clock_realtime_ms(), &err);
    exposures_drop_expired_tokens(directory);
    while (exposures_find_gone(directory, id)) {
        if (store_previews_forget(directory->store, id, &err) < 0) {
            log_warn("previews.sweep", "sandbox=%s error=%s", id, err.message);
        }
        exposures_drop(directory, id);
    }
}

static void count_change(struct directory *directory)
{
    if (directory->changes_until_sweep == 0) {
        sweep(directory);
        directory->changes_until_sweep = SWEEP_CHANGES;
    }
    directory->changes_until_sweep--;
}

static int check_room(struct directory *directory, const struct store_preview *preview, bool is_new,
                      struct error *err)
{
    struct exposure *exposure = exposure_find(directory, preview->sandbox_id);
    if (!is_new) {
        return find_preview(exposure, preview->id) ? 0 : no_preview(err);
    }
    if (!exposure || exposure->preview_count < PREVIEWS_MAX) {
        return 0;
    }
    error_set(err, ERR_CAPACITY, 0, "the sandbox has %d previews already", PREVIEWS_MAX);
    return error_hint(err, "Delete previews with DELETE /sandboxes/{id}/previews/{pid}.");
}

int directory_put_preview(struct directory *directory, const struct store_preview *preview,
                          bool is_new, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    count_change(directory);
    if (check_room(directory, preview, is_new, err) < 0 ||
        exposures_reserve(directory, preview->sandbox_id, err) < 0 ||
        store_preview_put(directory->store, preview, err) < 0) {
        return -1;
    }
    FAULT_POINT("preview.recorded");
    return exposures_put_preview(directory, preview, err);
}

int directory_get_preview(struct directory *directory, const char *sandbox_id,
                          const char *preview_id, struct store_preview *ret_preview,
                          struct error *err)
{
    pthread_rwlock_rdlock(&directory->lock);
    struct preview_entry **entry = find_preview(exposure_find(directory, sandbox_id), preview_id);
    if (entry) {
        *ret_preview = (*entry)->record;
    }
    pthread_rwlock_unlock(&directory->lock);
    return entry ? 0 : no_preview(err);
}

bool directory_exposed_port(struct directory *directory, const char *sandbox_id, int port,
                            struct store_preview *ret_preview)
{
    pthread_rwlock_rdlock(&directory->lock);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    struct preview_entry *entry = exposure ? exposure->previews : NULL;
    while (entry &&
           (entry->record.port != port || !entry->record.is_public || entry->record.expires_ms)) {
        entry = entry->next;
    }
    if (entry) {
        *ret_preview = entry->record;
    }
    pthread_rwlock_unlock(&directory->lock);
    return entry;
}

int directory_list_previews(struct directory *directory, const char *sandbox_id,
                            struct store_preview **ret_previews, size_t *ret_count,
                            struct error *err)
{
    struct store_preview *previews = calloc(PREVIEWS_MAX + 1, sizeof(*previews));
    if (!previews) {
        return error_set(err, ERR_INTERNAL, errno, "list previews");
    }
    size_t count = 0;
    pthread_rwlock_rdlock(&directory->lock);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    for (struct preview_entry *entry = exposure ? exposure->previews : NULL;
         entry && count < PREVIEWS_MAX; entry = entry->next) {
        previews[count++] = entry->record;
    }
    pthread_rwlock_unlock(&directory->lock);
    *ret_previews = previews;
    *ret_count = count;
    return 0;
}

int directory_delete_preview(struct directory *directory, const char *sandbox_id,
                             const char *preview_id, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    struct preview_entry **link = find_preview(exposure, preview_id);
    if (!link) {
        return no_preview(err);
    }
    if (store_preview_delete(directory->store, preview_id, err) < 0) {
        return -1;
    }
    FAULT_POINT("preview.deleted");
    pthread_rwlock_wrlock(&directory->lock);
    struct preview_entry *entry = *link;
    *link = entry->next;
    exposure->preview_count--;
    exposure_drop_tokens_of(directory, exposure, preview_id);
    pthread_rwlock_unlock(&directory->lock);
    free(entry);
    return 0;
}

int directory_revoke_tokens(struct directory *directory, const char *sandbox_id,
                            const char *preview_id, struct error *err)
{
    struct directory *changing DIRECTORY_CHANGE = directory_begin_change(directory);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    if (!find_preview(exposure, preview_id)) {
        return no_preview(err);
    }
    if (store_preview_tokens_revoke(directory->store, preview_id, err) < 0) {
        return -1;
    }
    pthread_rwlock_wrlock(&directory->lock);
    exposure_drop_tokens_of(directory, exposure, preview_id);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}
