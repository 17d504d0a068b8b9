#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "linux/process.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/*
 * A sandbox's disk is a sparse ext4 image with the directories that overlayfs needs. Usual sizes are
 * made once ("blank") and copied, since a copy is cheaper than mke2fs.
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

/* From fs/ext4/ext4.h. */
#define EXT4_IOC_SHUTDOWN           _IOR('X', 125, uint32_t)
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2

/* The kernel announces a shutdown on the console, which takes longer than to write a few files. */
enum { WORTH_DROPPING_BYTES = 4 * 1024 * 1024 };

void disk_drop_writes(int root_fd)
{
    uint32_t flags = EXT4_GOING_FLAGS_NOLOGFLUSH;
    struct statvfs info;
    if (root_fd >= 0 && fstatvfs(root_fd, &info) == 0 &&
        (info.f_blocks - info.f_bfree) * info.f_frsize > WORTH_DROPPING_BYTES) {
        ioctl(root_fd, EXT4_IOC_SHUTDOWN, &flags);
    }
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

static char *blank_name(int64_t bytes, char name[64])
{
    snprintf(name, 64, "blank-%" PRId64 ".img", bytes);
    return name;
}

static int make_file_system(const struct engine *engine, const char *image, struct error *err)
{
    char content[CONTAINER_PATH_SIZE];
    /* No reserved blocks and an inode for each 8 KiB: many small files are what package managers
     * make. No journal: see mount_image for what the disk promises. */
    const char *const command[] = {"mke2fs",
                                   "-t",
                                   "ext4",
                                   "-F",
                                   "-q",
                                   "-m",
                                   "0",
                                   "-i",
                                   "8192",
                                   "-I",
                                   "256",
                                   "-O",
                                   "^has_journal,^resize_inode",
                                   "-E",
                                   "lazy_itable_init=1,nodiscard,root_owner=0:0",
                                   "-d",
                                   content,
                                   image,
                                   NULL};
    if (make_content(engine, content, err) < 0) {
        return -1;
    }
    if (process_run(command, NULL, err) < 0) {
        return error_hint(err, "Install e2fsprogs: apt-get install e2fsprogs.");
    }
    return 0;
}

int disk_make_blank(const struct engine *engine, int64_t bytes, struct error *err)
{
    char name[64], path[CONTAINER_PATH_SIZE + 64], temporary[CONTAINER_PATH_SIZE + 96];
    struct stat info;
    snprintf(path, sizeof(path), "%s/%s", engine->disks_path, blank_name(bytes, name));
    if (stat(path, &info) == 0 && info.st_size == bytes) {
        return 0;
    }
    snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
    if (make_sparse(temporary, bytes, err) < 0 || make_file_system(engine, temporary, err) < 0 ||
        flush(temporary, err) < 0 || rename(temporary, path) < 0) {
        unlink(temporary);
        return error_prefix(err, "make a disk of %" PRId64 " bytes", bytes);
    }
    return 0;
}

int disk_copy_blank(int directory_fd, int64_t bytes, int image_fd, struct error *err)
{
    char name[64];
    auto_close int blank = openat(directory_fd, blank_name(bytes, name), O_RDONLY | O_CLOEXEC);
    if (blank < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", name);
    }
    if (ioctl(image_fd, FICLONE, blank) == 0) {
        return 0;
    }
    if (ftruncate(image_fd, (off_t)bytes) < 0 ||
        disk_copy_data(blank, image_fd, (off_t)bytes) < 0) {
        return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "copy %s", name);
    }
    return 0;
}

/* Was the machine stopped while it was mounted? The file system's own state says so. */
static bool needs_check(int image_fd)
{
    enum { STATE_OFFSET = 1024 + 0x3a, STATE_CLEAN = 0x1 };
    uint16_t state = 0;
    return pread(image_fd, &state, sizeof(state), STATE_OFFSET) == (ssize_t)sizeof(state) &&
           !(le16toh(state) & STATE_CLEAN);
}

static bool path_needs_check(const char *path)
{
    auto_close int image = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return image >= 0 && needs_check(image);
}

bool disk_needs_check(const struct engine *engine, const char *id)
{
    char path[CONTAINER_PATH_SIZE];
    return path_needs_check(disk_path(engine, id, path));
}

int disk_check(const struct engine *engine, const char *id, struct error *err)
{
    char path[CONTAINER_PATH_SIZE];
    const char *const command[] = {"e2fsck", "-fy", disk_path(engine, id, path), NULL};
    /* What it repairs it reports by its status, so what counts is whether it can be mounted now. */
    process_run(command, NULL, err);
    return disk_needs_check(engine, id)
               ? error_set(err, ERR_NOT_RESTORABLE, 0, "the files of %s are damaged", id)
               : 0;
}

int disk_repair(const char *path, struct error *err)
{
    const char *const repair[] = {"e2fsck", "-fy", path, NULL};
    const char *const trim[] = {"e2fsck", "-fy", "-E", "discard", path, NULL};
    struct error ignored = {0};
    if (path_needs_check(path)) {
        process_run(repair, NULL, &ignored);
    }
    process_run(trim, NULL, &ignored); /* it does that only where there is nothing to repair */
    return path_needs_check(path)
               ? error_set(err, ERR_NOT_RESTORABLE, 0, "the sandbox's files are damaged: %s",
                           ignored.message)
               : 0;
}

int disk_write_back(const struct engine *engine, const char *id)
{
    char path[CONTAINER_PATH_SIZE];
    auto_close int image = open(disk_path(engine, id, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return image < 0 || fsync(image) < 0 ? -1 : 0;
}

bool disk_size_usual(int64_t bytes)
{
    const int64_t gibibyte = INT64_C(1) << 30;
    return bytes % gibibyte == 0;
}

int disk_make(const struct engine *engine, const char *id, int64_t bytes, struct error *err)
{
    char path[CONTAINER_PATH_SIZE];
    disk_path(engine, id, path);
    if (make_sparse(path, bytes, err) < 0) {
        return -1;
    }
    if (!disk_size_usual(bytes)) {
        return make_file_system(engine, path, err);
    }
    auto_close int directory = open(engine->disks_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int image = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (directory < 0 || image < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", path);
    }
    return disk_make_blank(engine, bytes, err) < 0 ? -1
                                                   : disk_copy_blank(directory, bytes, image, err);
}
