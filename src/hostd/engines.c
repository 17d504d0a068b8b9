#include "hostd/engines.h"

#include "base/cleanup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int engines_open(struct engines *engines, const struct engine_operations *const table[],
                 const struct engine_context *context, struct error *err)
{
    *engines = (struct engines){0};
    for (size_t i = 0; table[i]; i++) {
        assert(i < ENGINES_MAX);
        struct engine *engine = table[i]->open(context, err);
        if (!engine) {
            return error_prefix(err, "engine %s", table[i]->name);
        }
        engines->entries[engines->count++] =
            (struct engine_entry){.operations = table[i], .engine = engine};
    }
    return 0;
}

int engines_adopt(struct engines *engines, struct error *err)
{
    for (size_t i = 0; i < engines->count; i++) {
        const struct engine_entry *entry = &engines->entries[i];
        if (entry->operations->adopt(entry->engine, err) < 0) {
            return error_prefix(err, "engine %s", entry->operations->name);
        }
    }
    return 0;
}

static void on_closed(struct engine_call *call, const struct error *error)
{
    struct engines *engines = call->owner;
    (void)error;
    if (--engines->open_count == 0) {
        engines->close_call->on_done(engines->close_call, NULL);
    }
}

void engines_close(struct engines *engines, bool everything, struct engine_call *call)
{
    assert(engines->count > 0);
    engines->close_call = call;
    engines->open_count = engines->count;
    for (size_t i = 0; i < engines->count; i++) {
        struct engine_entry *entry = &engines->entries[i];
        entry->closed = (struct engine_call){.on_done = on_closed, .owner = engines};
        entry->operations->close(entry->engine, everything, &entry->closed);
    }
}

void engines_free(struct engines *engines)
{
    while (engines->count > 0) {
        const struct engine_entry *entry = &engines->entries[--engines->count];
        entry->operations->free(entry->engine);
    }
}

struct engine_entry *engines_named(struct engines *engines, const char *name, struct error *err)
{
    for (size_t i = 0; i < engines->count; i++) {
        if (strcmp(engines->entries[i].operations->name, name) == 0) {
            return &engines->entries[i];
        }
    }
    error_set_field(err, ERR_VALIDATION, "engine", "there is no engine '%s' here", name);
    return NULL;
}

/* NULL when none has it. */
static struct engine_entry *find_sandbox(struct engines *engines, const char *id)
{
    for (size_t i = 0; i < engines->count; i++) {
        struct engine_entry *entry = &engines->entries[i];
        if (entry->operations->has(entry->engine, id)) {
            return entry;
        }
    }
    return NULL;
}

static struct engine_entry *find_snapshot(struct engines *engines, const char *snapshot_id)
{
    for (size_t i = 0; i < engines->count; i++) {
        struct engine_entry *entry = &engines->entries[i];
        if (entry->operations->snapshot_has(entry->engine, snapshot_id)) {
            return entry;
        }
    }
    return NULL;
}

struct engine_entry *engines_of(struct engines *engines, const char *id)
{
    struct engine_entry *entry = find_sandbox(engines, id);
    return entry ? entry : &engines->entries[0];
}

struct engine_entry *engines_of_snapshot(struct engines *engines, const char *snapshot_id)
{
    struct engine_entry *entry = find_snapshot(engines, snapshot_id);
    return entry ? entry : &engines->entries[0];
}

struct engine_entry *engines_for_create(struct engines *engines, const char *name,
                                        const struct engine_create *plan, struct error *err)
{
    struct engine_entry *entry = engines_named(engines, name, err);
    const struct engine_entry *owner = entry ? find_sandbox(engines, plan->id) : NULL;
    if (owner && owner != entry) {
        error_set(err, ERR_CONFLICT, 0, "sandbox %s is one of engine %s", plan->id,
                  owner->operations->name);
        return NULL;
    }
    owner = entry && plan->snapshot_id[0] ? find_snapshot(engines, plan->snapshot_id) : NULL;
    if (owner && owner != entry) {
        error_set(err, ERR_NOT_RESTORABLE, 0, "snapshot %s is one of engine %s, not of %s",
                  plan->snapshot_id, owner->operations->name, name);
        return NULL;
    }
    return entry;
}

struct engine_entry *engines_for_snapshot(struct engines *engines,
                                          const struct engine_snapshot *plan, struct error *err)
{
    struct engine_entry *entry = engines_of(engines, plan->id);
    const struct engine_entry *owner = find_snapshot(engines, plan->snapshot_id);
    if (owner && owner != entry) {
        error_set(err, ERR_CONFLICT, 0, "snapshot %s exists", plan->snapshot_id);
        return NULL;
    }
    return entry;
}
