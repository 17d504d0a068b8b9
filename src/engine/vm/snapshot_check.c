#include "engine/vm/snapshot.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_BYTES = 2 * VM_ABOUT_MAX_BYTES + VM_LAYERS_TEXT_MAX_BYTES };

/* Appends a text file, of which there may be none. */
static int append(int directory_fd, const char *name, size_t max, char *text, size_t *length,
                  struct error *err)
{
    auto_free char *part = NULL;
    ssize_t size = read_file_at(directory_fd, name, max, &part);
    if (size < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "read its file '%s'", name);
    }
    memcpy(text + *length, part, (size_t)size);
    *length += (size_t)size;
    return 0;
}

int snapshot_digest_of(int directory_fd, char digest[ENGINE_DIGEST_SIZE], struct error *err)
{
    auto_free char *text = malloc(TEXT_BYTES);
    size_t length = 0;
    bool saved = saved_exists(directory_fd, VM_SAVED_NAME);
    if (!text || append(directory_fd, VM_ABOUT_NAME, VM_ABOUT_MAX_BYTES, text, &length, err) < 0 ||
        append(directory_fd, VM_LAYERS_NAME, VM_LAYERS_TEXT_MAX_BYTES, text, &length, err) < 0 ||
        (saved && append(directory_fd, VM_SAVED_NAME "/" VM_ABOUT_NAME, VM_ABOUT_MAX_BYTES, text,
                         &length, err) < 0)) {
        return -1;
    }
    return digest_text(text, length, digest) < 0
               ? error_set(err, ERR_INTERNAL, 0, "compute the snapshot's digest")
               : 0;
}

static int check_texts(int directory_fd, const char *digest, struct error *err)
{
    char found[ENGINE_DIGEST_SIZE];
    if (snapshot_digest_of(directory_fd, found, err) < 0) {
        return -1;
    }
    return digest[0] && strcmp(found, digest) != 0
               ? error_set(err, ERR_NOT_RESTORABLE, 0, "it was altered")
               : 0;
}

static int check_layers(const struct engine *engine, int directory_fd, struct error *err)
{
    struct vm_layers layers;
    struct stat info;
    if (vm_layers_read(directory_fd, &layers, err) < 0) {
        return -1;
    }
    for (int i = 0; i < layers.count; i++) {
        const struct vm_layer *layer = &layers.at[i];
        if (vm_known_check(engine->known, directory_fd, layer->name, layer->digest, err) < 0) {
            return -1;
        }
    }
    if (fstatat(directory_fd, VM_ROOT_NAME, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "its file '%s'", VM_ROOT_NAME);
    }
    return 0;
}

/* ERR_NOT_RESTORABLE when a file is damaged; a memory that is whole but of no use here is only told. */
static int check_memory(const struct engine *engine, int directory_fd,
                        char memory_problem[ENGINE_REASON_SIZE], struct error *err)
{
    struct vm_about saved;
    struct vm_shape now;
    struct error misfit = {0};
    if (!saved_exists(directory_fd, VM_SAVED_NAME)) {
        return 0;
    }
    if (saved_check_files(engine->known, directory_fd, &saved, err) < 0) {
        return -1;
    }
    now = saved.shape;
    now.facts = engine->facts;
    if (vm_shape_fits(&saved.shape, &now, &misfit) < 0) {
        snprintf(memory_problem, ENGINE_REASON_SIZE, "%s", misfit.message);
    }
    return 0;
}

int snapshot_open_checked(const struct engine *engine, const char *snapshot_id, const char *digest,
                          struct vm_about *ret_about, char memory_problem[ENGINE_REASON_SIZE],
                          struct error *err)
{
    char path[VM_PATH_SIZE];
    auto_close int fd = open(snapshot_directory(engine, snapshot_id, path),
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    memory_problem[0] = '\0';
    if (fd < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "snapshot %s", snapshot_id);
    }
    if (check_texts(fd, digest, err) < 0 || vm_about_read(fd, ret_about, err) < 0 ||
        check_layers(engine, fd, err) < 0 || check_memory(engine, fd, memory_problem, err) < 0) {
        return error_prefix(err, "snapshot %s", snapshot_id);
    }
    return take_fd(&fd);
}
