#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "linux/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

bool pending_has(const struct engine *engine, const char *id)
{
    for (const struct pending_create *pending = engine->pending; pending; pending = pending->next) {
        if (strcmp(pending->plan.id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes it out of the queue and answers its call with an error. */
void pending_finish(struct pending_create *pending, const struct error *error)
{
    struct pending_create **link = &pending->engine->pending;
    while (*link != pending) {
        link = &(*link)->next;
    }
    *link = pending->next;
    event_child_remove(&pending->helper);
    struct engine_call *call = pending->call;
    free(pending);
    call_done(call, error);
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

static int check_space(const struct engine *engine, struct error *err)
{
    struct statvfs info;
    int64_t reserve = engine->context.settings->disk_reserve_mb * 1024 * 1024;
    if (statvfs(engine->disks_path, &info) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the free space of %s", engine->disks_path);
    }
    if ((int64_t)(info.f_bavail * info.f_frsize) < reserve) {
        return error_set(err, ERR_CAPACITY, 0,
                         "the host's disk has less than %lld MiB free (disk_reserve_mb)",
                         (long long)engine->context.settings->disk_reserve_mb);
    }
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
    if (!kept && plan->keep_disk) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "no files of sandbox %s are kept", plan->id);
    }
    return check_space(engine, err);
}

static void on_disk_ready(void *owner, int wait_status)
{
    struct pending_create *pending = owner;
    struct engine *engine = pending->engine;
    if (wait_status != 0) {
        struct error error;
        error_set(&error, pending->plan.keep_disk ? ERR_NOT_RESTORABLE : ERR_CAPACITY, 0,
                  "cannot %s the disk of %s", pending->plan.keep_disk ? "repair" : "make",
                  pending->plan.id);
        pending_finish(pending, &error);
        return;
    }
    pending->disk_ready = true;
    pool_update(engine);
}

/* A disk of another size than the spare ones is made, one that the machine's end left behind is
 * checked, by a helper. */
int pending_prepare_disk(struct pending_create *pending, struct error *err)
{
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        struct error error = {0};
        const struct engine_create *plan = &pending->plan;
        int failed = plan->keep_disk
                         ? disk_check(pending->engine, plan->id, &error)
                         : disk_make(pending->engine, plan->id, plan->disk_bytes, &error);
        _exit(failed < 0);
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
                                       .helper.source.fd = -1};
    enqueue(engine, pending);
    pending->disk_ready = plan->keep_disk && !disk_needs_check(engine, plan->id);
    if (plan->keep_disk && !pending->disk_ready && pending_prepare_disk(pending, &error) < 0) {
        pending_finish(pending, &error);
        return;
    }
    FAULT_POINT("host.create.queued");
    pool_serve(engine);
    pool_update_soon(engine);
}
