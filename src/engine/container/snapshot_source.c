#include "engine/container/snapshot.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>

int snapshot_open(const struct engine *engine, const char *snapshot_id,
                  struct snapshot_about *ret_about, struct error *err)
{
    auto_close int directory = snapshot_open_directory(engine, snapshot_id);
    if (directory < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "it is not on this host");
    }
    auto_close int image = openat(directory, "disk.img", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (image < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "open its file");
    }
    return snapshot_read_about(directory, ret_about, err) < 0 ? -1 : take_fd(&image);
}

static int check_template(const struct engine *engine, const struct snapshot_about *about,
                          const char *template_image, struct error *err)
{
    char digest[ENGINE_DIGEST_SIZE];
    struct error missing = {0};
    if (strcmp(about->template_image, template_image) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "it was made with the image '%s', not '%s'",
                         about->template_image, template_image);
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

int snapshot_check_about(const struct engine *engine, const struct snapshot_about *about,
                         int image_fd, const char *digest, const char *template_image,
                         struct error *err)
{
    struct stat info;
    if (digest[0] && strcmp(digest, about->digest) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "it was replaced by another");
    }
    if (fstat(image_fd, &info) < 0 || info.st_size != about->disk_bytes) {
        return error_set(err, ERR_NOT_RESTORABLE, 0,
                         "its file has another size than it was made with");
    }
    return check_template(engine, about, template_image, err);
}

int snapshot_check_digest(int image_fd, const char *digest, struct stat *ret_file,
                          struct error *err)
{
    char found[ENGINE_DIGEST_SIZE];
    struct stat before;
    if (fstat(image_fd, &before) < 0) {
        return error_set(err, ERR_ENGINE, errno, "read the snapshot");
    }
    if (digest_file(image_fd, found, err) < 0) {
        return -1;
    }
    if (strcmp(found, digest) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "its files are not what was saved");
    }
    *ret_file = before;
    return 0;
}
