#include "engine/container/warm.h"

#include <stdlib.h>
#include <string.h>

enum {
    SPARE_WITHOUT_NETWORK = 1, /* few sandboxes ask for none */
    REFILL_DELAY_MS = 2,       /* lets the request that took a spare go ahead */
    RETRY_DELAY_MS = 1000,
};

struct pool_count {
    int coming, parked, waiting;
};

static struct pool_count count(const struct engine *engine, bool network)
{
    struct pool_count count = {0};
    for (int i = 0; i < SLOT_COUNT; i++) {
        const struct slot *slot = engine->slots[i];
        if (slot && !slot->pool && slot->network == network) {
            count.coming += slot->state == SLOT_PREPARING;
            count.parked += slot->state == SLOT_PARKED;
        }
    }
    for (const struct pending_create *wait = engine->pending; wait; wait = wait->next) {
        count.waiting += (wait->plan.network == ENGINE_NETWORK_EGRESS) == network;
    }
    return count;
}

static int wanted_spares(const struct engine *engine, bool network)
{
    int spares = (int)engine->context.settings->spare_slots;
    if (network) {
        return engine->context.network_problem[0] ? 0 : spares;
    }
    return spares < SPARE_WITHOUT_NETWORK ? spares : SPARE_WITHOUT_NETWORK;
}

int pool_free_index(struct engine *engine)
{
    for (int i = 0; i < SLOT_COUNT; i++) {
        int index = (engine->next_index + i) % SLOT_COUNT;
        if (!engine->slots[index]) {
            engine->next_index = (index + 1) % SLOT_COUNT;
            return index;
        }
    }
    return -1;
}

static int prepare_one(struct engine *engine, bool network)
{
    struct error error = {0};
    int index = pool_free_index(engine);
    struct slot *slot = index < 0 ? NULL : slot_new(engine, index, network);
    if (!slot) {
        error_set(&error, ERR_CAPACITY, 0, "all %d sandbox slots are in use", SLOT_COUNT);
        pool_slot_failed(engine, network, &error);
        return -1;
    }
    if (slot_prepare(slot, &engine->spare_root, engine->spare_disk_bytes, &error) < 0) {
        slot_end(slot, true);
        pool_slot_failed(engine, network, &error);
        return -1;
    }
    return 0;
}

bool template_root_equal(const struct template_root *a, const struct template_root *b)
{
    return a->inode != 0 && a->inode == b->inode && strcmp(a->image, b->image) == 0;
}

static bool disk_fits(const struct slot *slot, const struct pending_create *pending)
{
    return !pending->plan.keep_disk && !pending->plan.snapshot_id[0] &&
           slot->disk_bytes == pending->plan.disk_bytes;
}

/* The one that leaves least to do, or NULL. */
static struct slot *find_parked(struct engine *engine, const struct pending_create *pending)
{
    bool network = pending->plan.network == ENGINE_NETWORK_EGRESS;
    struct slot *best = NULL;
    int best_score = -1;
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct slot *slot = engine->slots[i];
        if (slot && slot->state == SLOT_PARKED && !slot->pool && slot->network == network) {
            int score =
                2 * disk_fits(slot, pending) + template_root_equal(&slot->root, &pending->root);
            if (score > best_score) {
                best = slot;
                best_score = score;
            }
        }
    }
    return best;
}

/* Starts a create that has all it needs. A disk unlike the spare ones is made first. */
static bool serve(struct pending_create *pending)
{
    struct engine *engine = pending->engine;
    struct slot *warm = warm_find(engine, pending);
    if (warm) {
        pending_take(pending);
        warm_claim(warm, pending);
        pending_free(pending);
        return true;
    }
    struct slot *slot = find_parked(engine, pending);
    struct error error;
    bool helper_runs = pending->helper.source.fd >= 0;
    if (!slot || helper_runs) {
        return false;
    }
    if (!pending->disk_ready && !disk_fits(slot, pending)) {
        if (pending_prepare_disk(pending, &error) < 0) {
            pending_finish(pending, &error);
            return true;
        }
        return false;
    }
    pending_take(pending);
    warm_count_miss(engine, &pending->plan);
    slot_start(slot, pending);
    pending_free(pending);
    return true;
}

/* First come, first served among those whose disk is ready. True when the queue has changed. */
static bool serve_one(struct engine *engine)
{
    for (struct pending_create *pending = engine->pending; pending; pending = pending->next) {
        if (serve(pending)) {
            return true;
        }
    }
    return false;
}

static void refill(struct engine *engine, bool network)
{
    struct pool_count with = count(engine, true), without = count(engine, false);
    struct pool_count mine = network ? with : without;
    int preparing = with.coming + without.coming;
    int missing = wanted_spares(engine, network) + mine.waiting - mine.parked - mine.coming;
    while (missing > 0 && preparing < PREPARING_MAX && prepare_one(engine, network) == 0) {
        missing--;
        preparing++;
    }
}

void pool_serve(struct engine *engine)
{
    while (serve_one(engine)) {
    }
}

void pool_update(struct engine *engine)
{
    pool_serve(engine);
    if (!engine->closing && !engine->problem[0]) {
        refill(engine, true);
        refill(engine, false);
        warm_update(engine);
    }
}

static void on_refill(void *owner)
{
    pool_update(owner);
}

static void update_in(struct engine *engine, int64_t delay_ms)
{
    engine->refill.on_due = on_refill;
    engine->refill.owner = engine;
    event_timer_set(engine->context.loop, &engine->refill, delay_ms);
}

void pool_update_soon(struct engine *engine)
{
    update_in(engine, engine->pending ? 0 : REFILL_DELAY_MS);
}

void pool_slot_failed(struct engine *engine, bool network, const struct error *error)
{
    for (struct pending_create *pending = engine->pending; pending; pending = pending->next) {
        if ((pending->plan.network == ENGINE_NETWORK_EGRESS) == network) {
            pending_finish(pending, error);
            return;
        }
    }
    update_in(engine, RETRY_DELAY_MS);
}
