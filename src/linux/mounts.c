#include "linux/mounts.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

int mount_at(const char *type, const char *path, unsigned long flags, const char *options,
             struct error *err)
{
    if (mount(type, path, type, flags, options) < 0) {
        return error_set(err, ERR_ENGINE, errno, "mount %s at %s", type, path);
    }
    return 0;
}

int mount_clone(const char *path, struct error *err)
{
    int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "open %s", path);
    }
    return fd;
}

int mount_device(const char *type, const char *device, const char *const options[],
                 struct error *err)
{
    auto_close int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0) {
        return error_set(err, ERR_ENGINE, errno, "open file system %s", type);
    }
    for (int i = 0; options[i]; i += 2) {
        unsigned kind = options[i + 1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        if (fsconfig(fs, kind, options[i], options[i + 1], 0) < 0) {
            return error_set(err, ERR_ENGINE, errno, "%s option %s", type, options[i]);
        }
    }
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return error_set(err, ERR_ENGINE, errno, "mount %s on %s", type, device);
    }
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    if (fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "mount %s on %s", type, device);
    }
    return fd;
}

int mount_set_attributes(int mount_fd, uint64_t attributes, int userns_fd, struct error *err)
{
    struct mount_attr attr = {.attr_set = attributes};
    if (attributes & MOUNT_ATTR__ATIME) { /* one of several values, not a flag */
        attr.attr_clr = MOUNT_ATTR__ATIME;
    }
    if (userns_fd >= 0) {
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (uint64_t)userns_fd;
    }
    if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
        return error_set(err, ERR_ENGINE, errno, "set mount attributes");
    }
    return 0;
}

int mount_attach(int mount_fd, const char *path, struct error *err)
{
    if (move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return error_set(err, ERR_ENGINE, errno, "attach mount at %s", path);
    }
    return 0;
}

int mount_move_onto(const char *from, int directory_fd, struct error *err)
{
    if (move_mount(AT_FDCWD, from, directory_fd, "", MOVE_MOUNT_T_EMPTY_PATH) < 0) {
        return error_set(err, ERR_ENGINE, errno, "move mount %s", from);
    }
    return 0;
}

int mount_pivot(const char *path, struct error *err)
{
    /* The old root lands on top of the new one and is the one that "." then names. */
    if (chdir(path) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0) {
        return error_set(err, ERR_ENGINE, errno, "make %s the root", path);
    }
    return 0;
}
