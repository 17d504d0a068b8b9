#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { ABOUT_MAX_BYTES = 4096, MANIFEST_MAX_BYTES = 64 * 1024 };

static const char about_name[] = "about";

struct snapshot_report *snapshot_report_new(struct error *err)
{
    void *memory = mmap(NULL, sizeof(struct snapshot_report), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(err, ERR_INTERNAL, errno, "share memory with a helper");
        return NULL;
    }
    return memory;
}

struct snapshot_report *snapshot_report_free(struct snapshot_report *report)
{
    if (report) {
        munmap(report, sizeof(*report));
    }
    return NULL;
}

int snapshot_open_directory(const struct engine *engine, const char *name)
{
    char path[CONTAINER_PATH_SIZE + SNAPSHOT_NAME_SIZE];
    snprintf(path, sizeof(path), "%s/%s", engine->snapshots_path, name);
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int snapshot_write_about(int directory_fd, const struct snapshot_about *about, struct error *err)
{
    char text[ABOUT_MAX_BYTES];
    int length = snprintf(text, sizeof(text),
                          "atoll-snapshot 1\n"
                          "engine container\n"
                          "template %s\n"
                          "template_digest %s\n"
                          "disk_bytes %" PRId64 "\n"
                          "stored_bytes %" PRId64 "\n"
                          "digest %s\n",
                          about->template_image, about->template_digest, about->disk_bytes,
                          about->stored_bytes, about->digest);
    auto_close int fd = openat(directory_fd, about_name,
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, text, (size_t)length) < 0 || fsync(fd) < 0) {
        return error_set(err, ERR_CAPACITY, errno, "write what the snapshot is");
    }
    return 0;
}

int snapshot_read_about(int directory_fd, struct snapshot_about *ret_about, struct error *err)
{
    auto_free char *text = NULL;
    struct snapshot_about about = {0};
    int end = -1;
    if (read_file_at(directory_fd, about_name, ABOUT_MAX_BYTES, &text) < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "read what the snapshot is");
    }
    if (sscanf(text,
               "atoll-snapshot 1\nengine container\ntemplate %64s\ntemplate_digest %64s\n"
               "disk_bytes %" SCNd64 "\nstored_bytes %" SCNd64 "\ndigest %64s\n%n",
               about.template_image, about.template_digest, &about.disk_bytes, &about.stored_bytes,
               about.digest, &end) != 5 ||
        end < 0 || text[end] != '\0' || about.disk_bytes <= 0 ||
        strlen(about.digest) != ENGINE_DIGEST_SIZE - 1) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "the snapshot's description is damaged");
    }
    *ret_about = about;
    return 0;
}

int snapshot_template_digest(const struct engine *engine, const char *image,
                             char digest[ENGINE_DIGEST_SIZE], struct error *err)
{
    char path[CONTAINER_PATH_SIZE + ENGINE_TEMPLATE_SIZE + 32];
    auto_free char *text = NULL;
    struct template_root root;
    if (template_find(engine, image, &root, err) < 0) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/%s/manifest.json", engine->images_path, image);
    ssize_t length = read_file_at(AT_FDCWD, path, MANIFEST_MAX_BYTES, &text);
    if (length < 0 && errno == ENOENT) {
        snprintf(digest, ENGINE_DIGEST_SIZE, "-");
        return 0;
    }
    if (length < 0 || digest_text(text, (size_t)length, digest) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read %s", path);
    }
    return 0;
}
