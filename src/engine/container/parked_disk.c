#include "engine/container/parked.h"

#include "base/cleanup.h"
#include "linux/loop_device.h"
#include "linux/mounts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char disk_mount_point[] = "/disk";

static char *spare_name(const struct parked *parked, char name[64])
{
    snprintf(name, 64, "slot-%d.img", parked->slot->index);
    return name;
}

/* Copies what is not a hole. 0, or -1 with errno. */
static int copy_data(int from, int to, off_t length)
{
    off_t at = 0;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0 && at < length) {
        off_t end = lseek(from, at, SEEK_HOLE), target = at;
        while (end > 0 && at < end) {
            if (copy_file_range(from, &at, to, &target, (size_t)(end - at), 0) <= 0) {
                return -1;
            }
        }
    }
    return at < 0 && errno != ENXIO ? -1 : 0;
}

static int copy_golden(const struct parked *parked, int image, struct error *err)
{
    char name[64];
    off_t length = (off_t)parked->engine->spare_disk_bytes;
    snprintf(name, sizeof(name), "golden-%" PRId64 ".img", (int64_t)length);
    auto_close int golden = openat(parked->disks, name, O_RDONLY | O_CLOEXEC);
    if (golden < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", name);
    }
    if (ioctl(image, FICLONE, golden) == 0) {
        return 0;
    }
    if (ftruncate(image, length) < 0 || copy_data(golden, image, length) < 0) {
        return error_set(err, errno == ENOSPC ? ERR_CAPACITY : ERR_ENGINE, errno, "copy %s", name);
    }
    return 0;
}

static int mount_image(struct parked *parked, int image, struct error *err)
{
    static const char *const options[] = {"noinit_itable", NULL,         "discard", NULL,
                                          "errors",        "remount-ro", NULL};
    auto_close int device = loop_attach(parked->dev, image, false, &parked->loop_number, err);
    if (device < 0) {
        return -1;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
    auto_close int fd = mount_device("ext4", path, options, err);
    if (fd < 0 ||
        mount_set_attributes(fd, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME, parked->userns, err) < 0 ||
        mount_attach(fd, disk_mount_point, err) < 0) {
        return -1;
    }
    parked->disk_root = open(disk_mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return parked->disk_root < 0 ? error_set(err, ERR_ENGINE, errno, "open the disk") : 0;
}

int parked_disk_prepare(struct parked *parked, struct error *err)
{
    char name[64];
    auto_close int image = openat(parked->disks, spare_name(parked, name),
                                  O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (image < 0) {
        return error_set(err, ERR_CAPACITY, errno, "make disk %s", name);
    }
    return copy_golden(parked, image, err) < 0 ? -1 : mount_image(parked, image, err);
}

static int use_existing(struct parked *parked, const char *spare, const char *file,
                        struct error *err)
{
    parked->disk_root = close_fd(parked->disk_root);
    if (umount2(disk_mount_point, MNT_DETACH) < 0 || unlinkat(parked->disks, spare, 0) < 0) {
        return error_set(err, ERR_ENGINE, errno, "give back the spare disk");
    }
    auto_close int image = openat(parked->disks, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (image < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "open the sandbox's disk");
    }
    return mount_image(parked, image, err);
}

int parked_disk_claim(struct parked *parked, const struct slot_plan *plan, struct error *err)
{
    char spare[64], file[64];
    spare_name(parked, spare);
    snprintf(file, sizeof(file), "%s.img", plan->id);
    if (plan->disk == DISK_EXISTING) {
        return use_existing(parked, spare, file, err);
    }
    return renameat(parked->disks, spare, parked->disks, file) < 0
               ? error_set(err, ERR_ENGINE, errno, "name the sandbox's disk")
               : 0;
}
