#include "gateway/directory.h"

#include "gateway/directory_private.h"

#include <errno.h>
#include <stdlib.h>

struct directory *directory_begin_change(struct directory *directory)
{
    pthread_mutex_lock(&directory->change_mutex);
    return directory;
}

void directory_end_change(struct directory **directory)
{
    atomic_fetch_add(&(*directory)->changes, 1);
    pthread_mutex_unlock(&(*directory)->change_mutex);
}

/* Readers come with every request of the gateway; a change must not wait for a moment without any. */
static void init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

static struct directory *directory_new(const struct settings *settings, struct store *store,
                                       struct sandboxes *sandboxes)
{
    struct directory *directory = calloc(1, sizeof(*directory));
    if (!directory) {
        return NULL;
    }
    directory->settings = settings;
    directory->store = store;
    directory->sandboxes = sandboxes;
    pthread_mutex_init(&directory->change_mutex, NULL);
    init_lock(&directory->lock);
    if (table_init(&directory->exposures) < 0 || table_init(&directory->tokens) < 0 ||
        table_init(&directory->deployment_hosts) < 0 ||
        table_init(&directory->deployment_ids) < 0 || table_init(&directory->domains) < 0 ||
        table_init(&directory->preview_domains) < 0 ||
        table_init(&directory->preview_domain_tenants) < 0) {
        return directory_close(directory);
    }
    return directory;
}

struct directory *directory_open(const struct settings *settings, struct store *store,
                                 struct sandboxes *sandboxes, struct error *err)
{
    struct directory *directory = directory_new(settings, store, sandboxes);
    if (!directory) {
        error_set(err, ERR_INTERNAL, errno, "open the directory");
        return NULL;
    }
    if (directory_load_previews(directory, err) < 0 ||
        directory_load_deployments(directory, err) < 0 ||
        directory_load_domains(directory, err) < 0 ||
        directory_load_preview_domains(directory, err) < 0) {
        error_prefix(err, "open the directory");
        return directory_close(directory);
    }
    return directory;
}

struct directory *directory_close(struct directory *directory)
{
    if (!directory) {
        return NULL;
    }
    directory_free_previews(directory);
    directory_free_deployments(directory);
    directory_free_domains(directory);
    directory_free_preview_domains(directory);
    table_free(&directory->exposures);
    table_free(&directory->tokens);
    table_free(&directory->deployment_hosts);
    table_free(&directory->deployment_ids);
    table_free(&directory->domains);
    table_free(&directory->preview_domains);
    table_free(&directory->preview_domain_tenants);
    pthread_rwlock_destroy(&directory->lock);
    pthread_mutex_destroy(&directory->change_mutex);
    free(directory);
    return NULL;
}

uint64_t directory_changes(const struct directory *directory)
{
    return atomic_load(&directory->changes);
}

int directory_wake(struct directory *directory, const struct directory_answer *answer,
                   struct error *err)
{
    return sandbox_wake(directory->sandboxes, answer->sandbox_id, err);
}

void directory_touch(struct directory *directory, const char *sandbox_id)
{
    sandbox_touch(directory->sandboxes, sandbox_id);
}

bool directory_alive(struct directory *directory, const char *sandbox_id, uint64_t run)
{
    struct sandbox_view view;
    return sandbox_peek(directory->sandboxes, sandbox_id, NULL, &view) && view.run == run &&
           view.state == SANDBOX_RUNNING;
}
