#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "base/fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/*
 * The disk of a sandbox that is made from a snapshot. A helper fills disks/<id>.tmp; only atoll-host gives
 * it its name, so that a create that was cancelled meanwhile leaves nothing.
 */

static char *copy_path(const struct pending_create *pending, char path[CONTAINER_PATH_SIZE])
{
    snprintf(path, CONTAINER_PATH_SIZE, "%s/%s.tmp", pending->engine->disks_path, pending->plan.id);
    return path;
}

static int check_size(const struct pending_create *pending, const struct snapshot_about *about,
                      struct error *err)
{
    int64_t wanted = pending->plan.disk_bytes;
    return about->disk_bytes == wanted
               ? 0
               : error_set(err, ERR_NOT_RESTORABLE, 0,
                           "its disk has %lld MiB, the sandbox's is to have %lld",
                           (long long)(about->disk_bytes >> 20), (long long)(wanted >> 20));
}

static int open_source(struct pending_create *pending, struct error *err)
{
    const struct engine *engine = pending->engine;
    const struct engine_create *plan = &pending->plan;
    struct pending_snapshot *source = &pending->source;
    struct snapshot_about about;
    source->image_fd = snapshot_open(engine, plan->snapshot_id, &about, err);
    if (source->image_fd < 0 ||
        snapshot_check_about(engine, &about, source->image_fd, plan->snapshot_digest,
                             plan->template_image, err) < 0 ||
        check_size(pending, &about, err) < 0) {
        return -1;
    }
    memcpy(source->digest, about.digest, sizeof(source->digest));
    source->known = snapshot_is_remembered(engine, source->image_fd, source->digest);
    return 0;
}

int snapshot_source_open(struct pending_create *pending, struct error *err)
{
    char path[CONTAINER_PATH_SIZE];
    struct pending_snapshot *source = &pending->source;
    source->wanted = true;
    source->report = snapshot_report_new(err);
    if (!source->report) {
        return -1;
    }
    if (open_source(pending, err) < 0) {
        return error_prefix(err, "snapshot %s", pending->plan.snapshot_id);
    }
    source->copy_fd =
        open(copy_path(pending, path), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (source->copy_fd < 0 && errno == EEXIST) {
        return error_set(err, ERR_CONFLICT, 0, "an earlier copy for sandbox %s is still ending",
                         pending->plan.id);
    }
    return source->copy_fd < 0
               ? error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "make %s", path)
               : 0;
}

int snapshot_source_copy(const struct pending_create *pending, struct error *err)
{
    const struct pending_snapshot *source = &pending->source;
    int mine[] = {source->image_fd, source->copy_fd};
    snapshot_keep_only(mine, 2);
    if (!source->known &&
        snapshot_check_digest(source->image_fd, source->digest, &source->report->file, err) < 0) {
        return error_prefix(err, "snapshot %s", pending->plan.snapshot_id);
    }
    if (disk_copy(pending->engine, source->image_fd, source->copy_fd, err) < 0) {
        return -1;
    }
    /* The disk that it replaces is on the host's disk, and must not go for one that is not. */
    return pending->plan.keep_disk && fsync(source->copy_fd) < 0
               ? error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno,
                           "write the disk")
               : 0;
}

/* Freeing the replaced disk takes long, so it is exchanged and left to a helper. */
static int replace(const struct pending_create *pending, const char *copy, const char *disk)
{
    if (renameat2(AT_FDCWD, copy, AT_FDCWD, disk, RENAME_EXCHANGE) == 0) {
        FAULT_POINT("host.create.replaced");
        trash_file(pending->engine, copy);
        return 0;
    }
    return rename(copy, disk);
}

int snapshot_source_install(struct pending_create *pending, struct error *err)
{
    char copy[CONTAINER_PATH_SIZE], disk[CONTAINER_PATH_SIZE];
    struct pending_snapshot *source = &pending->source;
    copy_path(pending, copy);
    disk_path(pending->engine, pending->plan.id, disk);
    FAULT_POINT("host.create.copied");
    if ((pending->plan.keep_disk ? replace(pending, copy, disk) : rename(copy, disk)) < 0) {
        return error_set(err, ERR_ENGINE, errno, "name the disk of %s", pending->plan.id);
    }
    source->copy_fd = close_fd(source->copy_fd);
    if (!source->known) {
        snapshot_remember(pending->engine, &source->report->file, source->digest);
    }
    return 0;
}

void snapshot_source_free(struct pending_create *pending)
{
    char path[CONTAINER_PATH_SIZE];
    struct pending_snapshot *source = &pending->source;
    if (source->copy_fd >= 0) {
        trash_file(pending->engine, copy_path(pending, path));
    }
    source->image_fd = close_fd(source->image_fd);
    source->copy_fd = close_fd(source->copy_fd);
    source->report = snapshot_report_free(source->report);
}
