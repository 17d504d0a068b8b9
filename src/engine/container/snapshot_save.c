#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "linux/loop_device.h"
#include "linux/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The helper that makes a snapshot. It copies the image once while the source runs; that copy is of no one
 * moment. While the source stands still, what was written since is flushed and the copy is corrected, or
 * nothing was written and it is right. The disk has no journal and nothing but frozen processes writes to it,
 * so after the flush the image is what they see: no freeze of the file system, which would stay when we are
 * killed, is needed. The copy is of a mounted file system; the check makes an unmounted one of it, without the
 * files that had been removed but were still open.
 */

static const char image_name[] = "disk.img";

static bool say(int gate, enum snapshot_word word)
{
    char byte = (char)word;
    return send(gate, &byte, 1, MSG_NOSIGNAL) == 1;
}

static bool wait_for_go(int gate)
{
    char byte;
    return recv(gate, &byte, 1, 0) == 1 && byte == SNAPSHOT_GO;
}

/* What the image is when the source stands still, the copy becomes. */
static int correct(const struct snapshot_job *job, int copy, int64_t writes, struct error *err)
{
    if (job->root_fd >= 0 && syncfs(job->root_fd) < 0) {
        return error_set(err, ERR_ENGINE, errno, "write the sandbox's files");
    }
    if (job->root_fd < 0 || (writes >= 0 && loop_write_count(job->loop_number) == writes)) {
        return 0;
    }
    return disk_copy_again(job->image_fd, copy, err);
}

static int copy_at_rest(const struct snapshot_job *job, int gate, int copy, struct error *err)
{
    if (job->root_fd >= 0) {
        syncfs(job->root_fd); /* an error comes again when it counts */
    }
    int64_t writes = loop_write_count(job->loop_number);
    if (disk_copy(job->engine, job->image_fd, copy, err) < 0) {
        return -1;
    }
    if (!say(gate, SNAPSHOT_READY) || !wait_for_go(gate)) {
        return error_set(err, ERR_CANCELLED, 0, "the snapshot was given up");
    }
    if (correct(job, copy, writes, err) < 0) {
        return -1;
    }
    return say(gate, SNAPSHOT_COPIED) ? 0 : error_set(err, ERR_CANCELLED, errno, "give it back");
}

static int describe(const struct snapshot_job *job, int directory, int copy, struct error *err)
{
    struct engine_saved *saved = &job->report->saved;
    struct snapshot_about about = {0};
    if (digest_file(copy, saved->digest, err) < 0) {
        return -1;
    }
    if (fstat(copy, &job->report->file) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the snapshot");
    }
    saved->disk_bytes = job->report->file.st_size;
    saved->stored_bytes = (int64_t)job->report->file.st_blocks * 512;
    memcpy(about.template_image, job->plan.template_image, sizeof(about.template_image));
    memcpy(about.template_digest, job->template_digest, sizeof(about.template_digest));
    memcpy(about.digest, saved->digest, sizeof(about.digest));
    about.disk_bytes = saved->disk_bytes;
    about.stored_bytes = saved->stored_bytes;
    return snapshot_write_about(directory, &about, err);
}

/* Everything in it first, then its name, each on the host's disk. */
static int publish(const struct snapshot_job *job, const char *temporary, int directory,
                   struct error *err)
{
    auto_close int parent = open(job->engine->snapshots_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(directory) < 0 ||
        renameat2(parent, temporary, parent, job->plan.snapshot_id, RENAME_NOREPLACE) < 0 ||
        fsync(parent) < 0) {
        return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno,
                         "name the snapshot");
    }
    return 0;
}

static int save(const struct snapshot_job *job, int gate, struct error *err)
{
    char temporary[SNAPSHOT_NAME_SIZE], path[CONTAINER_PATH_SIZE + SNAPSHOT_NAME_SIZE + 16];
    snprintf(temporary, sizeof(temporary), "%s.tmp", job->plan.snapshot_id);
    auto_close int directory = snapshot_open_directory(job->engine, temporary);
    auto_close int copy =
        openat(directory, image_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (directory < 0 || copy < 0) {
        return error_set(err, ERR_CAPACITY, errno, "make the snapshot");
    }
    if (copy_at_rest(job, gate, copy, err) < 0) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/%s/%s", job->engine->snapshots_path, temporary, image_name);
    if (disk_repair(path, err) < 0) {
        return -1;
    }
    if (fsync(copy) < 0) {
        return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno,
                         "write the snapshot");
    }
    return describe(job, directory, copy, err) < 0 ? -1 : publish(job, temporary, directory, err);
}

static int compare(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

void snapshot_keep_only(int *fds, size_t count)
{
    qsort(fds, count, sizeof(*fds), compare);
    process_close_others(fds, count);
}

void snapshot_save(const struct snapshot_job *job, int gate)
{
    struct error error = {0};
    int mine[] = {job->image_fd, job->root_fd, gate};
    snapshot_keep_only(mine, 3);
    int result = save(job, gate, &error);
    job->report->error = error;
    _exit(result < 0);
}
