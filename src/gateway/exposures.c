#include "gateway/exposures.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct exposure *exposure_find(struct directory *directory, const char *sandbox_id)
{
    struct table_node *node = table_find(&directory->exposures, sandbox_id);
    return node ? TABLE_ENTRY(node, struct exposure, by_sandbox) : NULL;
}

int exposures_reserve(struct directory *directory, const char *sandbox_id, struct error *err)
{
    if (exposure_find(directory, sandbox_id)) {
        return 0;
    }
    struct exposure *exposure = calloc(1, sizeof(*exposure));
    if (!exposure) {
        return error_set(err, ERR_INTERNAL, errno, "expose a sandbox");
    }
    memcpy(exposure->sandbox_id, sandbox_id, strnlen(sandbox_id, ID_SIZE - 1));
    pthread_rwlock_wrlock(&directory->lock);
    table_add(&directory->exposures, &exposure->by_sandbox, exposure->sandbox_id);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}

static struct preview_entry *entry_of(struct exposure *exposure, const char *preview_id)
{
    struct preview_entry *entry = exposure->previews;
    while (entry && strcmp(entry->record.id, preview_id) != 0) {
        entry = entry->next;
    }
    return entry;
}

int exposures_put_preview(struct directory *directory, const struct store_preview *preview,
                          struct error *err)
{
    if (exposures_reserve(directory, preview->sandbox_id, err) < 0) {
        return -1;
    }
    struct preview_entry *fresh = calloc(1, sizeof(*fresh));
    if (!fresh) {
        return error_set(err, ERR_INTERNAL, errno, "expose a port");
    }
    fresh->record = *preview;
    pthread_rwlock_wrlock(&directory->lock);
    struct exposure *exposure = exposure_find(directory, preview->sandbox_id);
    struct preview_entry *entry = entry_of(exposure, preview->id);
    if (entry) {
        entry->record = *preview;
    } else {
        fresh->next = exposure->previews;
        exposure->previews = fresh;
        exposure->preview_count++;
        fresh = NULL;
    }
    pthread_rwlock_unlock(&directory->lock);
    free(fresh);
    return 0;
}

int exposures_add_token(struct directory *directory, const struct store_preview_token *token,
                        struct error *err)
{
    if (exposures_reserve(directory, token->sandbox_id, err) < 0) {
        return -1;
    }
    struct token_entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        return error_set(err, ERR_INTERNAL, errno, "make a preview token");
    }
    entry->record = *token;
    pthread_rwlock_wrlock(&directory->lock);
    entry->exposure = exposure_find(directory, token->sandbox_id);
    entry->next = entry->exposure->tokens;
    entry->exposure->tokens = entry;
    entry->exposure->token_count++;
    table_add(&directory->tokens, &entry->by_hash, entry->record.hash);
    pthread_rwlock_unlock(&directory->lock);
    return 0;
}

static void drop_token(struct directory *directory, struct exposure *exposure,
                       struct token_entry **link)
{
    struct token_entry *entry = *link;
    *link = entry->next;
    exposure->token_count--;
    table_remove(&directory->tokens, &entry->by_hash);
    free(entry);
}

void exposure_drop_tokens_of(struct directory *directory, struct exposure *exposure,
                             const char *preview_id)
{
    struct token_entry **link = &exposure->tokens;
    while (*link) {
        if (strcmp((*link)->record.preview_id, preview_id) == 0) {
            drop_token(directory, exposure, link);
        } else {
            link = &(*link)->next;
        }
    }
}

bool exposure_drop_token(struct directory *directory, struct exposure *exposure,
                         const char *token_id)
{
    for (struct token_entry **link = &exposure->tokens; *link; link = &(*link)->next) {
        if (strcmp((*link)->record.id, token_id) == 0) {
            drop_token(directory, exposure, link);
            return true;
        }
    }
    return false;
}

static void drop_expired(struct directory *directory, struct exposure *exposure, int64_t now_ms)
{
    struct token_entry **link = &exposure->tokens;
    while (*link) {
        if ((*link)->record.expires_ms <= now_ms) {
            drop_token(directory, exposure, link);
        } else {
            link = &(*link)->next;
        }
    }
}

void exposures_drop_expired_tokens(struct directory *directory)
{
    int64_t now_ms = clock_realtime_ms();
    pthread_rwlock_wrlock(&directory->lock);
    for (struct table_node *node = table_each(&directory->exposures, NULL); node;
         node = table_each(&directory->exposures, node)) {
        drop_expired(directory, TABLE_ENTRY(node, struct exposure, by_sandbox), now_ms);
    }
    pthread_rwlock_unlock(&directory->lock);
}

bool exposures_find_gone(struct directory *directory, char id[ID_SIZE])
{
    /* Nobody else changes the table while the change mutex is held, so it can be read without the lock. */
    for (struct table_node *node = table_each(&directory->exposures, NULL); node;
         node = table_each(&directory->exposures, node)) {
        struct sandbox_view view;
        if (!sandbox_peek(directory->sandboxes, node->key, NULL, &view)) {
            memcpy(id, TABLE_ENTRY(node, struct exposure, by_sandbox)->sandbox_id, ID_SIZE);
            return true;
        }
    }
    return false;
}

static void free_exposure(struct directory *directory, struct exposure *exposure)
{
    while (exposure->tokens) {
        drop_token(directory, exposure, &exposure->tokens);
    }
    while (exposure->previews) {
        struct preview_entry *entry = exposure->previews;
        exposure->previews = entry->next;
        free(entry);
    }
    table_remove(&directory->exposures, &exposure->by_sandbox);
    free(exposure);
}

void exposures_drop(struct directory *directory, const char *sandbox_id)
{
    pthread_rwlock_wrlock(&directory->lock);
    struct exposure *exposure = exposure_find(directory, sandbox_id);
    if (exposure) {
        free_exposure(directory, exposure);
    }
    pthread_rwlock_unlock(&directory->lock);
}

void directory_free_previews(struct directory *directory)
{
    struct table_node *node;
    while ((node = table_each(&directory->exposures, NULL))) {
        free_exposure(directory, TABLE_ENTRY(node, struct exposure, by_sandbox));
    }
}

struct load {
    struct directory *directory;
    struct error *err;
    int result;
};

static void load_preview(void *context, const struct store_preview *preview)
{
    struct load *load = context;
    if (load->result == 0) {
        load->result = exposures_put_preview(load->directory, preview, load->err);
    }
}

static void load_token(void *context, const struct store_preview_token *token)
{
    struct load *load = context;
    if (load->result == 0) {
        load->result = exposures_add_token(load->directory, token, load->err);
    }
}

int directory_load_previews(struct directory *directory, struct error *err)
{
    struct load load = {directory, err, 0};
    if (store_previews_each(directory->store, load_preview, &load, err) < 0 ||
        store_preview_tokens_each(directory->store, load_token, &load, err) < 0) {
        return -1;
    }
    return load.result;
}
