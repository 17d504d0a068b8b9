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

static int check_template(const struct engine *engine, const struct engine_create *plan,
                          const struct snapshot_about *about, struct error *err)
{
    char digest[ENGINE_DIGEST_SIZE];
    struct error missing = {0};
    if (strcmp(about->template_image, plan->template_image) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "it was made with the image '%s', not '%s'",
                         about->template_image, plan->template_image);
    }
    if (snapshot_template_digest(engine, about->template_image, digest, &missing) < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "%s", missing.message);
    }
    if (strcmp(digest, about->template_digest) != 0) {
        error_set(err, ERR_NOT_RESTORABLE, 0, "the image '%s' was rebuilt since",
                  about->template_image);
        return error_hint(err, "Put the replaced image back: it is in .retired of the images' "
                               "directory on the host.");
    }
    return 0;
}

static int check_source(const struct engine *engine, const struct engine_create *plan,
                        const struct snapshot_about *about, int image_fd, struct error *err)
{
    struct stat info;
    if (plan->snapshot_digest[0] && strcmp(plan->snapshot_digest, about->digest) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "it was replaced by another");
    }
    if (fstat(image_fd, &info) < 0 || info.st_size != about->disk_bytes) {
        return error_set(err, ERR_NOT_RESTORABLE, 0,
                         "its file has another size than it was made with");
    }
    if (about->disk_bytes != plan->disk_bytes) {
        return error_set(err, ERR_NOT_RESTORABLE, 0,
                         "its disk has %lld MiB, the sandbox's is to have %lld",
                         (long long)(about->disk_bytes >> 20), (long long)(plan->disk_bytes >> 20));
    }
    return check_template(engine, plan, about, err);
}

static int open_source(struct pending_create *pending, struct error *err)
{
    const struct engine *engine = pending->engine;
    struct pending_snapshot *source = &pending->source;
    struct snapshot_about about;
    auto_close int directory = snapshot_open_directory(engine, pending->plan.snapshot_id);
    if (directory < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "it is not on this host");
    }
    source->image_fd = openat(directory, "disk.img", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (source->image_fd < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "open its file");
    }
    if (snapshot_read_about(directory, &about, err) < 0 ||
        check_source(engine, &pending->plan, &about, source->image_fd, err) < 0) {
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

static int check_digest(const struct pending_snapshot *source, struct error *err)
{
    char digest[ENGINE_DIGEST_SIZE];
    struct stat before;
    if (source->known) {
        return 0;
    }
    if (fstat(source->image_fd, &before) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the snapshot");
    }
    if (digest_file(source->image_fd, digest, err) < 0) {
        return -1;
    }
    if (strcmp(digest, source->digest) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "its files are not what was saved");
    }
    source->report->file = before;
    return 0;
}

int snapshot_source_copy(const struct pending_create *pending, struct error *err)
{
    const struct pending_snapshot *source = &pending->source;
    int mine[] = {source->image_fd, source->copy_fd};
    snapshot_keep_only(mine, 2);
    if (check_digest(source, err) < 0) {
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
