#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "linux/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * A sandbox's disk is a sparse ext4 image with the directories that overlayfs needs. The default size
 * is made once ("golden") and copied, since a copy is cheaper than mkfs.
 */
char *disk_path(const struct engine *engine, const char *id, char path[CONTAINER_PATH_SIZE])
{
    snprintf(path, CONTAINER_PATH_SIZE, "%s/%s.img", engine->disks_path, id);
    return path;
}

bool disk_exists(const struct engine *engine, const char *id)
{
    char path[CONTAINER_PATH_SIZE];
    return access(disk_path(engine, id, path), F_OK) == 0;
}

/* The directory whose content mke2fs puts into the image. */
static int make_content(const struct engine *engine, char content[CONTAINER_PATH_SIZE],
                        struct error *err)
{
    static const char *const names[] = {"", "/upper", "/work"};
    snprintf(content, CONTAINER_PATH_SIZE, "%s/content", engine->disks_path);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[CONTAINER_PATH_SIZE + 16];
        snprintf(path, sizeof(path), "%s%s", content, names[i]);
        if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0) {
            return error_set(err, ERR_ENGINE, errno, "make %s", path);
        }
    }
    return 0;
}

static int make_sparse(const char *path, int64_t bytes, struct error *err)
{
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || ftruncate(fd, bytes) < 0) {
        return error_set(err, ERR_CAPACITY, errno, "make %s", path);
    }
    return 0;
}

static int flush(const char *path, struct error *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? error_set(err, ERR_CAPACITY, errno, "write %s", path) : 0;
}

int disk_make(const struct engine *engine, const char *file, int64_t bytes, struct error *err)
{
    char content[CONTAINER_PATH_SIZE], path[CONTAINER_PATH_SIZE], temporary[CONTAINER_PATH_SIZE + 8];
    snprintf(path, sizeof(path), "%s/%s", engine->disks_path, file);
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    /* No reserved blocks and an inode for each 8 KiB: many small files are what package managers
     * make. A small journal keeps the files through a crash of the machine. */
    const char *const command[] = {
        "mke2fs", "-t", "ext4", "-F", "-q", "-m", "0", "-i", "8192", "-I", "256", "-J", "size=8",
        "-O", "^resize_inode", "-E",
        "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0", "-d", content, temporary,
        NULL};
    if (make_content(engine, content, err) < 0 || make_sparse(temporary, bytes, err) < 0) {
        return -1;
    }
    if (process_run(command, NULL, err) < 0) {
        unlink(temporary);
        return error_hint(err, "Install e2fsprogs: apt-get install e2fsprogs.");
    }
    if (flush(temporary, err) < 0) {
        unlink(temporary);
        return -1;
    }
    return rename(temporary, path) < 0 ? error_set(err, ERR_CAPACITY, errno, "make %s", path) : 0;
}

int disk_make_golden(const struct engine *engine, struct error *err)
{
    char file[64], path[CONTAINER_PATH_SIZE];
    struct stat info;
    snprintf(file, sizeof(file), "golden-%" PRId64 ".img", engine->spare_disk_bytes);
    snprintf(path, sizeof(path), "%s/%s", engine->disks_path, file);
    if (stat(path, &info) == 0 && info.st_size == engine->spare_disk_bytes) {
        return 0;
    }
    return disk_make(engine, file, engine->spare_disk_bytes, err);
}
