#include "engine/container/parked.h"

#include "base/cleanup.h"
#include "linux/mounts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

enum { DEVPTS_GROUP = 5, TERMINALS_MAX = 256 /* the most that max_terminals may be */ };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is made ahead under the same name as in the sandbox, then moved there. */
static const char *const moved[] = {"proc", "sys", "dev", "run"};

static const char *const own[] = {"/lower", "/disk", "/root", "/images", "/empty"};

/* Parts that tell about the host or act on it. Missing ones are skipped: kernels differ. */
static const char *const masked[] = {"/proc/acpi",          "/proc/asound",
                                     "/proc/interrupts",    "/proc/kcore",
                                     "/proc/keys",          "/proc/kallsyms",
                                     "/proc/sched_debug",   "/proc/latency_stats",
                                     "/proc/pressure",      "/proc/scsi",
                                     "/proc/timer_list",    "/proc/timer_stats",
                                     "/proc/sysrq-trigger", "/sys/devices/virtual/powercap",
                                     "/sys/firmware"};

static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};

static const struct {
    const char *path;
    unsigned major_number, minor_number;
} devices[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
               {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

static const struct {
    const char *target, *path;
} links[] = {{"/proc/self/fd", "/dev/fd"},
             {"/proc/self/fd/0", "/dev/stdin"},
             {"/proc/self/fd/1", "/dev/stdout"},
             {"/proc/self/fd/2", "/dev/stderr"},
             {"pts/ptmx", "/dev/ptmx"}};

static int make_directory(const char *path, mode_t mode, uid_t owner, struct error *err)
{
    if (mkdir(path, mode) < 0 || chmod(path, mode) < 0 || chown(path, owner, owner) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make %s", path);
    }
    return 0;
}

/* A tmpfs that the sandbox's root owns. */
static int mount_tmpfs(const struct parked *parked, const char *path, const char *mode,
                       const char *size, unsigned long flags, struct error *err)
{
    char options[160];
    snprintf(options, sizeof(options), "mode=%s,uid=%u,gid=%u,size=%s,nr_inodes=64k", mode,
             parked->uid_base, parked->uid_base, size);
    return mount_at("tmpfs", path, flags, options, err);
}

/* Half of the memory: files there must not be able to use up what the agent needs. */
static char *shm_size(int64_t memory_bytes, char text[24])
{
    snprintf(text, 24, "%" PRId64, memory_bytes / 2);
    return text;
}

static int make_dev(const struct parked *parked, struct error *err)
{
    char pts[96], size[24];
    snprintf(pts, sizeof(pts), "newinstance,ptmxmode=0666,mode=0620,gid=%u,max=%d",
             parked->uid_base + DEVPTS_GROUP, TERMINALS_MAX);
    if (mount_tmpfs(parked, "/dev", "755", "1m", MS_NOSUID | MS_NOEXEC, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < COUNT(devices); i++) {
        const char *path = devices[i].path;
        if (mknod(path, S_IFCHR | 0666, makedev(devices[i].major_number, devices[i].minor_number)) <
                0 ||
            chmod(path, 0666) < 0 || chown(path, parked->uid_base, parked->uid_base) < 0) {
            return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make %s", path);
        }
    }
    for (size_t i = 0; i < COUNT(links); i++) {
        if (symlink(links[i].target, links[i].path) < 0 ||
            lchown(links[i].path, parked->uid_base, parked->uid_base) < 0) {
            return error_set(err, ERR_ENGINE, errno, "make %s", links[i].path);
        }
    }
    if (make_directory("/dev/pts", 0755, parked->uid_base, err) < 0 ||
        make_directory("/dev/shm", 01777, parked->uid_base, err) < 0) {
        return -1;
    }
    return mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, pts, err) < 0
               ? -1
               : mount_tmpfs(parked, "/dev/shm", "1777",
                             shm_size(parked->engine->spare_limits.memory_bytes, size),
                             MS_NOSUID | MS_NODEV | MS_NOEXEC, err);
}

static int attach_copy(const char *from, const char *path, uint64_t attributes, struct error *err)
{
    auto_close int fd = mount_clone(from, err);
    return fd < 0 || (attributes && mount_set_attributes(fd, attributes, -1, err) < 0) ||
                   mount_attach(fd, path, err) < 0
               ? -1
               : 0;
}

static int restrict_kernel_files(struct error *err)
{
    struct stat info;
    for (size_t i = 0; i < COUNT(masked); i++) {
        if (lstat(masked[i], &info) == 0 &&
            attach_copy(S_ISDIR(info.st_mode) ? "/empty" : "/dev/null", masked[i], 0, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < COUNT(read_only); i++) {
        uint64_t attributes =
            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        if (lstat(read_only[i], &info) == 0 &&
            attach_copy(read_only[i], read_only[i], attributes, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int make_kernel_mounts(const struct parked *parked, struct error *err)
{
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return mount_at("proc", "/proc", flags, NULL, err) < 0 ||
                   mount_at("sysfs", "/sys", flags | MS_RDONLY, NULL, err) < 0 ||
                   mount_at("tmpfs", "/empty", flags | MS_RDONLY, "size=4k,nr_inodes=1", err) < 0 ||
                   mount_tmpfs(parked, "/run", "755", "64m", MS_NOSUID | MS_NODEV, err) < 0 ||
                   make_directory("/run/lock", 01777, parked->uid_base, err) < 0 ||
                   make_dev(parked, err) < 0 || restrict_kernel_files(err) < 0
               ? -1
               : 0;
}

int parked_mounts_prepare(struct parked *parked, struct error *err)
{
    const char *stage = parked->engine->stage_path;
    /* Private first: nothing that happens here may reach the host's own mounts. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make mounts private");
    }
    auto_close int images =
        open_tree(AT_FDCWD, parked->engine->images_path,
                  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
    if (images < 0) {
        return error_set(err, ERR_TEMPLATE_NOT_READY, errno, "open the images' directory");
    }
    if (mount_at("tmpfs", stage, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700,size=64k", err) < 0 ||
        mount_pivot(stage, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < COUNT(own) + COUNT(moved); i++) {
        const char *path = i < COUNT(own) ? own[i] : moved[i - COUNT(own)];
        if (mkdir(path, 0755) < 0) {
            return error_set(err, ERR_ENGINE, errno, "make stage directory %s", path);
        }
    }
    return mount_attach(images, "/images", err) < 0 ? -1 : make_kernel_mounts(parked, err);
}

/* overlayfs works on its layers as who mounted it. Through the id mapping of the disk that must be an
 * id of the sandbox, with the host's capabilities. */
static int mount_overlay(const struct parked *parked, struct error *err)
{
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0) {
        return error_set(err, ERR_ENGINE, errno, "keep capabilities");
    }
    setfsgid(parked->uid_base);
    setfsuid(parked->uid_base);
    int result =
        mount_at("overlay", "/root", MS_NODEV | MS_NOSUID,
                 "lowerdir=/lower,upperdir=/disk/upper,workdir=/disk/work,redirect_dir=on", err);
    setfsuid(0);
    setfsgid(0);
    if (prctl(PR_SET_SECUREBITS, 0) < 0) {
        return error_set(err, ERR_ENGINE, errno, "reset the secure bits");
    }
    return result;
}

int parked_root_mount(struct parked *parked, const char *image, struct error *err)
{
    char template[ENGINE_TEMPLATE_SIZE + 32];
    snprintf(template, sizeof(template), "/images/%s/rootfs", image);
    auto_close int lower = mount_clone(template, err);
    if (lower < 0) {
        return error_prefix(err, "template %s", image);
    }
    if (mount_set_attributes(lower, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, parked->userns, err) <
            0 ||
        mount_attach(lower, "/lower", err) < 0) {
        return -1;
    }
    return mount_overlay(parked, err);
}

int parked_root_unmount(struct error *err)
{
    if (umount2("/root", MNT_DETACH) < 0 || umount2("/lower", MNT_DETACH) < 0) {
        return error_set(err, ERR_ENGINE, errno, "give back the root mounted ahead");
    }
    return 0;
}

/* A directory directly in the sandbox's root. What is there may be the sandbox's own work: nothing
 * of it is followed. */
static int open_target(int root, const char *name, struct error *err)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    if (mkdirat(root, name, 0755) < 0 && errno != EEXIST) {
        return error_set(err, ERR_ENGINE, errno, "make /%s", name);
    }
    int fd = (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
    return fd < 0 ? error_set(err, ERR_NOT_RESTORABLE, errno, "/%s in the sandbox", name) : fd;
}

int parked_mounts_enter(struct parked *parked, const struct slot_plan *plan, struct error *err)
{
    char options[32] = "size=", *size = options + strlen(options);
    shm_size(plan->memory_bytes, size);
    if (plan->memory_bytes != parked->engine->spare_limits.memory_bytes &&
        mount(NULL, "/dev/shm", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0) {
        return error_set(err, ERR_ENGINE, errno, "set the size of /dev/shm");
    }
    auto_close int root = open("/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT(moved); i++) {
        auto_close int target = open_target(root, moved[i], err);
        if (target < 0 || mount_move_onto(moved[i], target, err) < 0) {
            return -1;
        }
    }
    return mount_pivot("/root", err);
}
