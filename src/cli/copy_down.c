#include "base/cleanup.h"
#include "cli/copy.h"
#include "cli/output.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int get(struct client *client, int fd, const char *sandbox_id, const char *path,
               struct error *err)
{
    auto_buffer struct buffer request_path = BUFFER_INIT(16 * 1024);
    if (copy_request_path(&request_path, sandbox_id, "fs/download", path)) {
        return error_set(err, ERR_VALIDATION, 0, "the path is too long");
    }
    struct request request = {
        .method = "GET", .path = request_path.data, .upload_fd = -1, .download_fd = fd};
    return client_send(client, &request, NULL, err);
}

/* The file appears whole or not at all. */
static int get_regular(struct client *client, const char *sandbox_id, const char *path,
                       const char *local, int64_t mode, struct error *err)
{
    char partial[COPY_PATH_MAX + 16];
    snprintf(partial, sizeof partial, "%s.atoll-XXXXXX", local);
    auto_close int fd = mkostemp(partial, O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, ERR_BAD_REQUEST, errno, "%s", local);
    }
    mode_t mask = umask(0);
    umask(mask);
    int result = get(client, fd, sandbox_id, path, err);
    if (result == 0 && (fchmod(fd, (mode_t)mode & 0777 & ~mask) || rename(partial, local))) {
        result = error_set(err, ERR_BAD_REQUEST, errno, "%s", local);
    }
    if (result) {
        unlink(partial);
    }
    return result;
}

/* A device or pipe, such as /dev/stdout, is written in place. */
static int get_file(struct client *client, const char *sandbox_id, const char *path,
                    const char *local, int64_t mode, struct error *err)
{
    struct stat status;
    if (stat(local, &status) || S_ISREG(status.st_mode)) {
        return get_regular(client, sandbox_id, path, local, mode, err);
    }
    auto_close int fd = open(local, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? error_set(err, ERR_BAD_REQUEST, errno, "%s", local)
                  : get(client, fd, sandbox_id, path, err);
}

/* Names come from the sandbox: one that could leave the directory is refused. */
static bool name_is_safe(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int get_directory(struct client *client, const char *sandbox_id, const char *path,
                         const char *local, int depth, struct error *err);

static int get_entry(struct client *client, const char *sandbox_id, const char *directory,
                     const char *local, const json_t *entry, int depth, struct error *err)
{
    char path[COPY_PATH_MAX];
    char local_path[COPY_PATH_MAX];
    const char *name = json_text(entry, "name");
    const char *type = json_text(entry, "type");
    if (!name_is_safe(name)) {
        return error_set(err, ERR_BAD_REQUEST, 0, "the sandbox listed an impossible name in %s",
                         directory);
    }
    if (copy_join(path, directory, name, err) || copy_join(local_path, local, name, err)) {
        return -1;
    }
    if (json_is_true(json_object_get(entry, "is_dir"))) {
        return get_directory(client, sandbox_id, path, local_path, depth + 1, err);
    }
    if (*type && strcmp(type, "file") != 0) {
        fputs("atoll: left out, neither file nor directory: ", stderr);
        print_safe(stderr, path);
        fputc('\n', stderr);
        return 0;
    }
    const char *mode = json_text(entry, "mode");
    return get_file(client, sandbox_id, path, local_path, *mode ? strtol(mode, NULL, 8) : 0644,
                    err);
}

static int get_directory(struct client *client, const char *sandbox_id, const char *path,
                         const char *local, int depth, struct error *err)
{
    auto_buffer struct buffer request_path = BUFFER_INIT(16 * 1024);
    auto_json json_t *reply = NULL;
    if (depth > COPY_DEPTH_MAX || copy_request_path(&request_path, sandbox_id, "files", path) ||
        buffer_printf(&request_path, "&depth=1")) {
        return error_set(err, ERR_VALIDATION, 0, "%s: too deep", path);
    }
    if (mkdir(local, 0777) && errno != EEXIST) {
        return error_set(err, ERR_BAD_REQUEST, errno, "%s", local);
    }
    if (client_call(client, "GET", request_path.data, NULL, &reply, err)) {
        return -1;
    }
    const json_t *data = reply_data(reply);
    if (json_is_true(json_object_get(data, "truncated"))) {
        return error_set(err, ERR_TOO_LARGE, 0, "%s has too many entries to list", path);
    }
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(data, "entries"), index, entry)
    {
        if (get_entry(client, sandbox_id, path, local, entry, depth, err)) {
            return -1;
        }
    }
    return 0;
}

/* Where the source lands: inside the target when that is a directory. */
static int target_path(const struct copy_end *source, const char *target, char *path,
                       struct error *err)
{
    char name[256];
    struct stat status;
    bool slash = target[strlen(target) - 1] == '/';
    if (slash || (stat(target, &status) == 0 && S_ISDIR(status.st_mode))) {
        return copy_name(name, source->path, err) || copy_join(path, target, name, err) ? -1 : 0;
    }
    snprintf(path, COPY_PATH_MAX, "%s", target);
    return 0;
}

int copy_down(struct client *client, const struct copy_end *source, const char *target,
              bool recursive, struct error *err)
{
    if (strcmp(target, "-") == 0) {
        return get(client, STDOUT_FILENO, source->sandbox_id, source->path, err);
    }
    char path[COPY_PATH_MAX];
    bool is_dir;
    int64_t mode;
    if (copy_stat(client, source->sandbox_id, source->path, &is_dir, &mode, err) ||
        target_path(source, target, path, err)) {
        return -1;
    }
    if (!is_dir) {
        return get_file(client, source->sandbox_id, source->path, path, mode, err);
    }
    if (!recursive) {
        error_set(err, ERR_IS_DIRECTORY, 0, "%s is a directory", source->path);
        return error_hint(err, "add -r to copy it whole");
    }
    return get_directory(client, source->sandbox_id, source->path, path, 0, err);
}
