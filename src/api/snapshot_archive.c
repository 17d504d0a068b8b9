#include "api/snapshot_look.h"

#include "api/file_path.h"
#include "api/files.h"
#include "api/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING_MAX = 64 * 1024 }; /* headers of one entry, with records */

/* A folder on its way out: headers and padding are made in pending, files are read as they are sent. */
struct archive {
    struct snapshot_look look;
    struct snapshot_walk walk;
    size_t base_length; /* what is cut off from the paths */
    size_t next;        /* item */
    bool ended;
    struct buffer pending;
    size_t pending_offset;
    struct agent_call *call; /* reads the item before next */
    int64_t file_left, padding;
};

static void archive_free(void *context)
{
    struct archive *archive = context;
    agent_call_free(archive->call);
    buffer_free(&archive->pending);
    snapshot_walk_free(&archive->walk);
    snapshot_look_end(&archive->look);
    free(archive);
}

static int put_header(const struct archive *archive, const struct snapshot_item *item,
                      struct buffer *out)
{
    const char *name = item->path + archive->base_length;
    struct tar_entry entry = {
        .name = *name ? name : ".",
        .link = item->link ? item->link : "",
        .type = item->type == AGENT_FILE_DIRECTORY ? TAR_DIRECTORY
                : item->type == AGENT_FILE_SYMLINK ? TAR_SYMLINK
                                                   : TAR_FILE,
        .mode = item->mode,
        .uid = item->uid,
        .gid = item->gid,
        .size = item->size,
        .modified_ms = item->modified_ms,
    };
    return tar_header(&entry, out);
}

/* The archive's size; -1 without memory. */
static int64_t measure(const struct archive *archive)
{
    int64_t total = TAR_END_BYTES;
    auto_buffer struct buffer header = BUFFER_INIT(PENDING_MAX);
    for (size_t i = 0; i < archive->walk.count; i++) {
        const struct snapshot_item *item = &archive->walk.items[i];
        header.length = 0;
        if (put_header(archive, item, &header) < 0) {
            return -1;
        }
        total += (int64_t)header.length + item->size + tar_padding(item->size);
    }
    return total;
}

static int put_zeroes(struct buffer *out, int64_t count)
{
    static const char zeroes[TAR_END_BYTES];
    return buffer_append(out, zeroes, (size_t)count);
}

/* Nobody changes the files, so that each is as long as it was. */
static int open_file(struct archive *archive, const struct snapshot_item *item)
{
    struct agent_stat stat;
    struct error err = {0};
    archive->call =
        agent_read_start(archive->look.view.agent_socket, item->path, 0, -1, &stat, &err);
    if (!archive->call) {
        return snapshot_look_failed(&archive->look, &err);
    }
    archive->file_left = item->size;
    archive->padding = tar_padding(item->size);
    return stat.size == item->size ? 0 : -1;
}

/* Makes the next piece. */
static int advance(struct archive *archive)
{
    archive->pending.length = archive->pending_offset = 0;
    if (archive->call) { /* the file's end */
        archive->call = agent_call_free(archive->call);
        return put_zeroes(&archive->pending, archive->padding);
    }
    if (archive->next == archive->walk.count) {
        archive->ended = true;
        return put_zeroes(&archive->pending, TAR_END_BYTES);
    }
    const struct snapshot_item *item = &archive->walk.items[archive->next++];
    return put_header(archive, item, &archive->pending) < 0 ||
                   (item->size > 0 && open_file(archive, item) < 0)
               ? -1
               : 0;
}

static ssize_t read_pending(struct archive *archive, char *bytes, size_t max)
{
    size_t there = archive->pending.length - archive->pending_offset;
    size_t step = max < there ? max : there;
    memcpy(bytes, archive->pending.data + archive->pending_offset, step);
    archive->pending_offset += step;
    return (ssize_t)step;
}

static ssize_t read_file(struct archive *archive, char *bytes, size_t max)
{
    struct error err = {0};
    size_t step = (int64_t)max < archive->file_left ? max : (size_t)archive->file_left;
    int64_t got = agent_read_data(archive->call, bytes, step, &err);
    if (got <= 0) {
        return snapshot_look_failed(&archive->look, &err);
    }
    archive->file_left -= got;
    return (ssize_t)got;
}

static ssize_t archive_read(void *context, char *bytes, size_t max)
{
    struct archive *archive = context;
    while (archive->pending_offset == archive->pending.length) {
        if (archive->file_left > 0) {
            return read_file(archive, bytes, max);
        }
        if (archive->ended) {
            return 0;
        }
        if (advance(archive) < 0) {
            return -1;
        }
    }
    return read_pending(archive, bytes, max);
}

/* Names begin with the folder's own; of the root, with what lies in it. */
static size_t base_length_of(const char *path)
{
    return (size_t)(strrchr(path, '/') - path) + 1;
}

void snapshot_archive_respond(struct request *request, struct snapshot_look *look,
                              struct snapshot_walk *walk)
{
    struct archive *archive = calloc(1, sizeof(*archive));
    struct error err = {0};
    char name[AGENT_PATH_MAX + 8];
    if (!archive) {
        error_set(&err, ERR_INTERNAL, ENOMEM, "send a folder");
        respond_error(request, &err);
        return;
    }
    archive->look = *look;
    archive->walk = *walk;
    *look = (struct snapshot_look){0};
    *walk = (struct snapshot_walk){0};
    archive->pending = BUFFER_INIT(PENDING_MAX);
    archive->base_length = base_length_of(archive->look.path);
    int64_t length = measure(archive);
    if (length < 0) {
        archive_free(archive);
        error_set(&err, ERR_INTERNAL, ENOMEM, "send a folder");
        respond_error(request, &err);
        return;
    }
    bool is_root = strcmp(archive->look.path, "/") == 0;
    snprintf(name, sizeof(name), "%s.tar", is_root ? "root" : file_path_name(archive->look.path));
    files_add_disposition(request, name);
    respond_stream(request, 200, "application/x-tar", length,
                   (struct respond_source){archive_read, archive_free, archive});
}
