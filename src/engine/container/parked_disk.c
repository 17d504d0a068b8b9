#include "engine/container/parked.h"

#include "base/cleanup.h"
#include "linux/loop_device.h"
#include "linux/mounts.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

static const char disk_mount_point[] = "/disk";

static char *spare_name(const struct parked *parked, char name[64])
{
    snprintf(name, 64, "slot-%d.img", parked->slot->index);
    return name;
}

static int mount_image(struct parked *parked, int image, struct error *err)
{
    /* What the disk promises: freeze and stop wait until everything is on the host's disk. Before
     * that, the host writes the image when it finds time, so a sandbox that calls fsync all day costs
     * only itself. A disk that was mounted when the machine stopped is repaired before its next use. */
    static const char *const options[] = {"noinit_itable", NULL,         "nobarrier", NULL,
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
    return disk_copy_blank(parked->disks, parked->slot->disk_bytes, image, err) < 0
               ? -1
               : mount_image(parked, image, err);
}

static int use_existing(struct parked *parked, const char *spare, const char *file,
                        struct error *err)
{
    disk_drop_writes(parked->disk_root);
    parked->disk_root = close_fd(parked->disk_root);
    char dead[64];
    snprintf(dead, sizeof(dead), "dead-s%u.img", parked->slot->record->generation);
    if (umount2(disk_mount_point, MNT_DETACH) < 0 ||
        renameat(parked->disks, spare, parked->disks, dead) < 0) {
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
    if (!plan->id[0]) {
        return 0; /* nobody's yet */
    }
    return renameat(parked->disks, spare, parked->disks, file) < 0
               ? error_set(err, ERR_ENGINE, errno, "name the sandbox's disk")
               : 0;
}
