#include "guest/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* As in a container sandbox: see engine/container/parked_mounts.c. */
enum { DEVPTS_GROUP = 5, TERMINALS_MAX = 256 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *path;
    unsigned major_number, minor_number;
} devices[] = {{"/made/dev/null", 1, 3},   {"/made/dev/zero", 1, 5},    {"/made/dev/full", 1, 7},
               {"/made/dev/random", 1, 8}, {"/made/dev/urandom", 1, 9}, {"/made/dev/tty", 5, 0}};

static const struct {
    const char *target, *path;
} links[] = {{"/proc/self/fd", "/made/dev/fd"},
             {"/proc/self/fd/0", "/made/dev/stdin"},
             {"/proc/self/fd/1", "/made/dev/stdout"},
             {"/proc/self/fd/2", "/made/dev/stderr"},
             {"pts/ptmx", "/made/dev/ptmx"}};

/* What is made ahead, and moved into the root under the same name. */
static const char *const moved[] = {"proc", "sys", "dev", "run"};

static void make_directory(const char *path, mode_t mode)
{
    if ((mkdir(path, mode) < 0 && errno != EEXIST) || chmod(path, mode) < 0) {
        guest_fail("cannot make %s", path);
    }
}

static void mount_at(const char *type, const char *source, const char *path, unsigned long flags,
                     const char *options)
{
    if (mount(source, path, type, flags, options) < 0) {
        guest_fail("cannot mount %s", path);
    }
}

static void use_console(void)
{
    int fd = open("/devices/console", O_RDWR | O_CLOEXEC);
    int null = open("/devices/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
        _exit(1);
    }
    if (fd > 2) {
        close(fd);
    }
    if (null > 2) {
        close(null);
    }
}

void guest_early_mounts(void)
{
    static const char *const directories[] = {"/devices",  "/disk",      "/cgroup",   "/root",
                                              "/template", "/made",      "/made/dev", "/made/run",
                                              "/proc",     "/made/proc", "/made/sys"};
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    umask(0);
    for (size_t i = 0; i < COUNT(directories); i++) {
        make_directory(directories[i], 0755);
    }
    mount_at("devtmpfs", "devtmpfs", "/devices", MS_NOSUID | MS_NOEXEC, NULL);
    use_console();
    mount_at("proc", "proc", "/proc", flags, NULL);
    mount_at("cgroup2", "cgroup2", "/cgroup", flags, NULL);
}

/* Half of the memory: files there must not be able to use up what the agent needs. */
static void shm_options(char text[64])
{
    struct sysinfo info;
    unsigned long long half =
        sysinfo(&info) == 0 ? (unsigned long long)info.totalram * info.mem_unit / 2 : 64 << 20;
    snprintf(text, 64, "mode=1777,size=%llu,nr_inodes=64k", half);
}

static void make_dev(void)
{
    char pts[96], shm[64];
    snprintf(pts, sizeof(pts), "newinstance,ptmxmode=0666,mode=0620,gid=%d,max=%d", DEVPTS_GROUP,
             TERMINALS_MAX);
    shm_options(shm);
    mount_at("tmpfs", "tmpfs", "/made/dev", MS_NOSUID | MS_NOEXEC,
             "mode=755,size=1m,nr_inodes=64k");
    for (size_t i = 0; i < COUNT(devices); i++) {
        if (mknod(devices[i].path, S_IFCHR | 0666,
                  makedev(devices[i].major_number, devices[i].minor_number)) < 0) {
            guest_fail("cannot make %s", devices[i].path);
        }
    }
    for (size_t i = 0; i < COUNT(links); i++) {
        if (symlink(links[i].target, links[i].path) < 0) {
            guest_fail("cannot make %s", links[i].path);
        }
    }
    make_directory("/made/dev/pts", 0755);
    make_directory("/made/dev/shm", 01777);
    mount_at("devpts", "devpts", "/made/dev/pts", MS_NOSUID | MS_NOEXEC, pts);
    mount_at("tmpfs", "tmpfs", "/made/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, shm);
}

static void make_kernel_mounts(void)
{
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    mount_at("proc", "proc", "/made/proc", flags, NULL);
    mount_at("sysfs", "sysfs", "/made/sys", flags | MS_RDONLY, NULL);
    mount_at("tmpfs", "tmpfs", "/made/run", MS_NOSUID | MS_NODEV,
             "mode=755,size=64m,nr_inodes=64k");
    make_directory("/made/run/lock", 01777);
    make_dev();
}

static void mount_disks(void)
{
    mount_at("ext4", "/devices/vda", "/template", MS_RDONLY | MS_NODEV, NULL);
    mount_at("ext4", "/devices/vdb", "/disk", MS_NODEV | MS_NOSUID | MS_NOATIME, "noinit_itable");
    make_directory("/disk/upper", 0755);
    make_directory("/disk/work", 0700);
    mount_at("overlay", "overlay", "/root", MS_NODEV | MS_NOSUID,
             "lowerdir=/template,upperdir=/disk/upper,workdir=/disk/work,redirect_dir=on");
}

/* A directory directly in the sandbox's root. What is there may be the sandbox's own work: a link is not
 * followed. */
static void move_into_root(const char *name)
{
    char from[32], to[32];
    struct stat info;
    snprintf(from, sizeof(from), "/made/%s", name);
    snprintf(to, sizeof(to), "/root/%s", name);
    if (mkdir(to, 0755) < 0 && errno != EEXIST) {
        guest_fail("cannot make /%s in the sandbox", name);
    }
    if (lstat(to, &info) == 0 && !S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        guest_fail("/%s in the sandbox", name);
    }
    if (mount(from, to, NULL, MS_MOVE, NULL) < 0) {
        guest_fail("cannot move %s into the sandbox", from);
    }
}

void guest_enter_root(void)
{
    mount_disks();
    make_kernel_mounts();
    for (size_t i = 0; i < COUNT(moved); i++) {
        move_into_root(moved[i]);
    }
    if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0) {
        guest_fail("cannot enter the sandbox's root");
    }
}
