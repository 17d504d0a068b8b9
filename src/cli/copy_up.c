#include "base/cleanup.h"
#include "cli/copy.h"
#include "cli/output.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int put(struct client *client, int fd, int64_t size, int mode, const char *sandbox_id,
               const char *path, struct error *err)
{
    auto_buffer struct buffer request_path = BUFFER_INIT(16 * 1024);
    if (copy_request_path(&request_path, sandbox_id, "files/raw", path) ||
        (mode >= 0 && buffer_printf(&request_path, "&mode=%04o", (unsigned)mode))) {
        return error_set(err, ERR_VALIDATION, 0, "the path is too long");
    }
    struct request request = {.method = "PUT",
                              .path = request_path.data,
                              .upload_fd = fd,
                              .upload_bytes = size,
                              .download_fd = -1};
    return client_send(client, &request, NULL, err);
}

static int make_directory(struct client *client, const char *sandbox_id, const char *path,
                          struct error *err)
{
    char route[128];
    auto_json json_t *body = json_pack("{s:s,s:b}", "path", path, "recursive", 1);
    snprintf(route, sizeof route, "/sandboxes/%s/files/mkdir", sandbox_id);
    return body ? client_call(client, "POST", route, body, NULL, err)
                : error_set(err, ERR_VALIDATION, 0, "a file name is not valid UTF-8");
}

static int put_file(struct client *client, int fd, const struct stat *status,
                    const char *sandbox_id, const char *path, struct error *err)
{
    bool regular = S_ISREG(status->st_mode);
    return put(client, fd, regular ? status->st_size : -1,
               regular ? (int)(status->st_mode & 0777) : -1, sandbox_id, path, err);
}

static int put_directory(struct client *client, int fd, const char *local, const char *sandbox_id,
                         const char *path, int depth, struct error *err);

static int put_entry(struct client *client, int directory_fd, const char *name, const char *local,
                     const char *sandbox_id, const char *directory, int depth, struct error *err)
{
    char path[COPY_PATH_MAX];
    char local_path[COPY_PATH_MAX];
    if (copy_join(path, directory, name, err) || copy_join(local_path, local, name, err)) {
        return -1;
    }
    struct stat status;
    if (fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW)) {
        return error_set(err, ERR_BAD_REQUEST, errno, "%s", local_path);
    }
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        fputs("atoll: left out, neither file nor directory: ", stderr);
        print_safe(stderr, local_path);
        fputc('\n', stderr);
        return 0;
    }
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    auto_close int fd = openat(directory_fd, name, flags);
    if (fd < 0 || fstat(fd, &status)) {
        return error_set(err, ERR_BAD_REQUEST, errno, "%s", local_path);
    }
    return S_ISDIR(status.st_mode)
               ? put_directory(client, fd, local_path, sandbox_id, path, depth + 1, err)
               : put_file(client, fd, &status, sandbox_id, path, err);
}

static void cleanup_directory(DIR **directory)
{
    if (*directory) {
        closedir(*directory);
    }
}

static int put_directory(struct client *client, int fd, const char *local, const char *sandbox_id,
                         const char *path, int depth, struct error *err)
{
    if (depth > COPY_DEPTH_MAX) {
        return error_set(err, ERR_VALIDATION, 0, "%s: more than %d directories deep", local,
                         COPY_DEPTH_MAX);
    }
    int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    __attribute__((cleanup(cleanup_directory))) DIR *directory =
        own_fd >= 0 ? fdopendir(own_fd) : NULL;
    if (!directory) {
        close_fd(own_fd);
        return error_set(err, ERR_BAD_REQUEST, errno, "%s", local);
    }
    if (make_directory(client, sandbox_id, path, err)) {
        return -1;
    }
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(directory))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
            continue;
        }
        if (put_entry(client, fd, name, local, sandbox_id, path, depth, err)) {
            return -1;
        }
    }
    return errno ? error_set(err, ERR_BAD_REQUEST, errno, "%s", local) : 0;
}

/* Where the source lands: inside the target when that is a directory. */
static int target_path(struct client *client, const char *source, const struct copy_end *target,
                       char *path, struct error *err)
{
    bool is_dir = target->path[strlen(target->path) - 1] == '/';
    bool is_stream = strcmp(source, "-") == 0;
    struct error missing = {0};
    int64_t mode;
    if (!is_dir && !is_stream &&
        copy_stat(client, target->sandbox_id, target->path, &is_dir, &mode, &missing) &&
        error_http_status(missing.code) != 404) {
        *err = missing;
        return -1;
    }
    char name[256];
    if (is_stream || !is_dir) {
        int used = snprintf(path, COPY_PATH_MAX, "%s", target->path);
        return used < COPY_PATH_MAX ? 0 : error_set(err, ERR_VALIDATION, 0, "the path is too long");
    }
    return copy_name(name, source, err) || copy_join(path, target->path, name, err) ? -1 : 0;
}

int copy_up(struct client *client, const char *source, const struct copy_end *target,
            bool recursive, struct error *err)
{
    char path[COPY_PATH_MAX];
    if (target_path(client, source, target, path, err)) {
        return -1;
    }
    if (strcmp(source, "-") == 0) {
        return put(client, STDIN_FILENO, -1, -1, target->sandbox_id, path, err);
    }
    struct stat status;
    auto_close int fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        error_set(err, ERR_BAD_REQUEST, errno, "%s", source);
        return error_hint(err, "check the path on this machine");
    }
    if (!S_ISDIR(status.st_mode)) {
        return put_file(client, fd, &status, target->sandbox_id, path, err);
    }
    if (!recursive) {
        error_set(err, ERR_IS_DIRECTORY, 0, "%s is a directory", source);
        return error_hint(err, "add -r to copy it whole");
    }
    return put_directory(client, fd, source, target->sandbox_id, path, 0, err);
}
