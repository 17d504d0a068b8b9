#include "engine/container/snapshot.h"
#include "engine/container/warm.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "linux/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool pending_has(const struct engine *engine, const char *id)
{
    for (const struct pending_create *pending = engine->pending; pending; pending = pending->next) {
        if (strcmp(pending->plan.id, id) == 0) {
            return true;
        }
    }
    return false;
}

static void unlink_pending(struct pending_create **link, const struct pending_create *pending)
{
    while (*link != pending) {
        link = &(*link)->next;
    }
    *link = pending->next;
}

void pending_take(struct pending_create *pending)
{
    unlink_pending(&pending->engine->pending, pending);
}

void pending_free(struct pending_create *pending)
{
    snapshot_source_free(pending);
    free(pending);
}

/* Takes it out of the queue and answers its call with an error. What its helper makes is removed when
 * that has ended. */
void pending_finish(struct pending_create *pending, const struct error *error)
{
    struct engine *engine = pending->engine;
    struct engine_call *call = pending->call;
    pending_take(pending);
    if (pending->helper.source.fd >= 0) {
        process_signal(pending->helper.source.fd, SIGKILL);
        pending->call = NULL;
        pending->next = engine->cancelled;
        engine->cancelled = pending;
    } else {
        pending_free(pending);
    }
    call_done(call, error);
}

static void end_cancelled(struct pending_create *pending)
{
    struct engine *engine = pending->engine;
    unlink_pending(&engine->cancelled, pending);
    if (!pending->plan.keep_disk && !pending->source.wanted) {
        trash_disk(engine, pending->plan.id);
    }
    pending_free(pending);
    container_check_closed(engine);
}

int template_find(const struct engine *engine, const char *image, struct template_root *ret_root,
                  struct error *err)
{
    char path[CONTAINER_PATH_SIZE + ENGINE_TEMPLATE_SIZE + 16];
    struct stat info;
    snprintf(path, sizeof(path), "%s/%s/rootfs", engine->images_path, image);
    if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode)) {
        return error_set(err, ERR_TEMPLATE_NOT_READY, 0, "the image '%s' is not built on this host",
                         image);
    }
    snprintf(ret_root->image, sizeof(ret_root->image), "%s", image);
    ret_root->inode = info.st_ino;
    return 0;
}

static int check(struct engine *engine, const struct engine_create *plan, struct error *err)
{
    if (engine->closing) {
        return error_set(err, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
    }
    if (engine->problem[0]) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s", engine->problem);
    }
    if (plan->network == ENGINE_NETWORK_EGRESS && engine->context.network_problem[0]) {
        error_set(err, ERR_HOST_UNSUPPORTED, 0, "sandboxes cannot reach the network here: %s",
                  engine->context.network_problem);
        return error_hint(err, "Install nftables on the host and restart atoll, or create the "
                               "sandbox with network \"none\".");
    }
    bool kept = disk_exists(engine, plan->id);
    if (slot_find(engine, plan->id) || pending_has(engine, plan->id) ||
        (kept && !plan->keep_disk)) {
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s exists", plan->id);
    }
    if (kept && slot_holding_disk(engine, plan->id)) {
        return error_set(err, ERR_CONFLICT, 0, "sandbox %s is still ending", plan->id);
    }
    if (kept && snapshot_copies_disk(engine, plan->id)) {
        return error_set(err, ERR_CONFLICT, 0, "a snapshot of sandbox %s is being made", plan->id);
    }
    if (!kept && plan->keep_disk) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "no files of sandbox %s are kept", plan->id);
    }
    return disk_check_space(engine, err);
}

static void describe_failure(const struct pending_create *pending, struct error *ret_error)
{
    const struct snapshot_report *report = pending->source.report;
    if (report && report->error.code != ERR_NONE) {
        *ret_error = report->error;
        return;
    }
    error_set(ret_error, pending->plan.keep_disk ? ERR_NOT_RESTORABLE : ERR_CAPACITY, 0,
              "cannot %s the disk of %s", pending->plan.keep_disk ? "repair" : "make",
              pending->plan.id);
}

static void on_disk_ready(void *owner, int wait_status)
{
    struct pending_create *pending = owner;
    struct engine *engine = pending->engine;
    struct error error = {0};
    if (!pending->call) {
        end_cancelled(pending);
        return;
    }
    if (wait_status != 0) {
        describe_failure(pending, &error);
        pending_finish(pending, &error);
        return;
    }
    if (pending->source.wanted && snapshot_source_install(pending, &error) < 0) {
        pending_finish(pending, &error);
        return;
    }
    pending->disk_ready = true;
    pool_update(engine);
}

static int prepare_disk(const struct pending_create *pending, struct error *err)
{
    const struct engine_create *plan = &pending->plan;
    if (pending->source.wanted) {
        return snapshot_source_copy(pending, err);
    }
    return plan->keep_disk ? disk_check(pending->engine, plan->id, err)
                           : disk_make(pending->engine, plan->id, plan->disk_bytes, err);
}

/* A disk of another size than the spare ones is made, one that the machine's end left behind is
 * checked, a snapshot's is copied, by a helper. */
int pending_prepare_disk(struct pending_create *pending, struct error *err)
{
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        struct error error = {0};
        int result = prepare_disk(pending, &error);
        if (pending->source.report) {
            pending->source.report->error = error;
        }
        _exit(result < 0);
    }
    if (pid < 0 || event_child_add(pending->engine->context.loop, &pending->helper, pid,
                                   on_disk_ready, pending) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "fork");
    }
    return 0;
}

static void enqueue(struct engine *engine, struct pending_create *pending)
{
    struct pending_create **link = &engine->pending;
    while (*link) {
        link = &(*link)->next;
    }
    *link = pending;
}

/* What takes long begins at once, whether a slot is free or not. */
static int begin(struct pending_create *pending, struct error *err)
{
    const struct engine_create *plan = &pending->plan;
    if (plan->snapshot_id[0]) {
        return snapshot_source_open(pending, err) < 0 ? -1 : pending_prepare_disk(pending, err);
    }
    pending->disk_ready = plan->keep_disk && !disk_needs_check(pending->engine, plan->id);
    return plan->keep_disk && !pending->disk_ready ? pending_prepare_disk(pending, err) : 0;
}

void container_create(struct engine *engine, const struct engine_create *plan,
                      struct engine_call *call)
{
    struct error error = {0};
    struct template_root root;
    if (check(engine, plan, &error) < 0 ||
        template_find(engine, plan->template_image, &root, &error) < 0) {
        call_done(call, &error);
        return;
    }
    struct pending_create *pending = calloc(1, sizeof(*pending));
    if (!pending) {
        error_set(&error, ERR_INTERNAL, ENOMEM, "create %s", plan->id);
        call_done(call, &error);
        return;
    }
    *pending = (struct pending_create){.plan = *plan,
                                       .call = call,
                                       .engine = engine,
                                       .root = root,
                                       .started_us = clock_monotonic_us(),
                                       .helper.source.fd = -1,
                                       .source = {.image_fd = -1, .copy_fd = -1}};
    enqueue(engine, pending);
    if (begin(pending, &error) < 0) {
        pending_finish(pending, &error);
        return;
    }
    FAULT_POINT("host.create.queued");
    warm_expect_create(engine);
    pool_serve(engine);
    pool_update_soon(engine);
}
