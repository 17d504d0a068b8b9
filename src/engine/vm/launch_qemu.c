#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "engine/vm/preload.h"
#include "linux/mounts.h"
#include "linux/process.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/*
 * QEMU sees its own program, the libraries, its firmware and, when it boots, the guest's kernel; all read-only and
 * nothing else. Everything of a sandbox it gets as descriptors.
 */

enum { NOFILE_QEMU = 1024, FIRST_KEPT = 128, FILE_SLACK_BYTES = 64 * 1024 * 1024 };

struct bind {
    const char *from, *to;
};

static int attach(const char *from, const char *root, const char *to, struct error *err)
{
    char target[VM_PATH_SIZE + 64];
    uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    snprintf(target, sizeof(target), "%s%s", root, to);
    auto_close int mount_fd = mount_clone(from, err);
    return mount_fd < 0 || mount_set_attributes(mount_fd, attributes, -1, err) < 0
               ? -1
               : mount_attach(mount_fd, target, err);
}

/* The directory that it lies in is root's only. */
static int attach_guest(const struct launch *launch, const char *file, struct error *err)
{
    char from[VM_PATH_SIZE + 32], to[32];
    snprintf(from, sizeof(from), "%s/.guest%s", launch->engine->images_path, file);
    snprintf(to, sizeof(to), "/guest%s", file);
    return attach(from, launch->engine->root_path, to, err);
}

static int enter_root(const struct launch *launch, struct error *err)
{
    static const struct bind binds[] = {
        {"/usr/lib", "/usr/lib"},
        {"/usr/lib64", "/usr/lib64"},
        {"/usr/share/qemu", "/usr/share/qemu"},
        {"/usr/share/seabios", "/usr/share/seabios"},
        {"/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64"},
        {"/etc/ld.so.cache", "/etc/ld.so.cache"},
    };
    const char *root = launch->engine->root_path;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make a mount namespace");
    }
    if (attach(root, root, "", err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
        if (attach(binds[i].from, root, binds[i].to, err) < 0) {
            return -1;
        }
    }
    if (launch->boots &&
        (attach_guest(launch, "/vmlinuz", err) < 0 || attach_guest(launch, "/initrd", err) < 0)) {
        return -1;
    }
    return mount_pivot(root, err);
}

int launch_drop_bounds(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability) < 0) {
            return -1;
        }
    }
    return 0;
}

static int become_nobody(const struct launch *launch, struct error *err)
{
    struct rlimit none = {0, 0}, files = {NOFILE_QEMU, NOFILE_QEMU};
    /* No file that it writes is longer than a disk that is full. */
    rlim_t most =
        (rlim_t)(launch->shape.disk_bytes + launch->shape.disk_bytes / 8) + FILE_SLACK_BYTES;
    struct rlimit size = {most, most};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &size) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
        setrlimit(RLIMIT_NOFILE, &files) < 0 || launch_drop_bounds() < 0 ||
        setgroups(0, NULL) < 0 || setresgid(launch->uid, launch->uid, launch->uid) < 0 ||
        setresuid(launch->uid, launch->uid, launch->uid) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        return error_set(err, ERR_ENGINE, errno, "give up privileges");
    }
    return 0;
}

/* Opens what QEMU will be told the numbers of: copies without close-on-exec, above those that have fixed numbers. */
static int keep(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD, FIRST_KEPT);
}

static int open_layers(struct launch *launch, struct qemu_arguments *arguments, struct error *err)
{
    int top = launch->layers.count - 1;
    for (int i = 0; i <= top; i++) {
        auto_close int fd = vm_layers_open(&launch->layers, i, launch->directory, false, err);
        if (fd < 0) {
            return -1;
        }
        qemu_arguments_add_set(arguments, QEMU_FIRST_LAYER_SET + i, keep(fd));
    }
    auto_close int fd = vm_layers_open(&launch->layers, top, launch->directory, true, err);
    if (fd < 0) {
        return -1;
    }
    qemu_arguments_add_set(arguments, QEMU_FIRST_LAYER_SET + top, keep(fd));
    return 0;
}

static int place(int fd, int wanted)
{
    return fd == wanted ? fcntl(fd, F_SETFD, 0) : dup2(fd, wanted);
}

/* Descriptors of the child: 0 and 1 nothing, 2 the console, 3 the memory, 4 KVM, and those that are named. */
static int arrange(struct launch *launch, struct error *err)
{
    int kvm =
        strcmp(launch->shape.facts.accel, "kvm") == 0 ? open("/dev/kvm", O_RDWR | O_CLOEXEC) : -1;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high[] = {fcntl(launch->memory, F_DUPFD_CLOEXEC, FIRST_KEPT),
                  fcntl(kvm < 0 ? null_fd : kvm, F_DUPFD_CLOEXEC, FIRST_KEPT)};
    launch->monitor = keep(launch->monitor);
    launch->agent_tap = keep(launch->agent_tap);
    launch->guest_tap = keep(launch->guest_tap);
    launch->root = keep(launch->root);
    launch->console_end = keep(launch->console_end);
    if (high[0] < 0 || high[1] < 0 || launch->console_end < 0 || launch->root < 0 ||
        launch->guest_tap < 0 || launch->agent_tap < 0 || launch->monitor < 0 ||
        place(null_fd, 0) < 0 || place(null_fd, 1) < 0 || place(launch->console_end, 2) < 0 ||
        place(high[0], PRELOAD_MEMORY_FD) < 0 || place(high[1], PRELOAD_KVM_FD) < 0) {
        return error_set(err, ERR_ENGINE, errno, "arrange descriptors");
    }
    return 0;
}

/* Everything that was open and is not QEMU's closes with the exec, since it is so marked. */
static void __attribute__((noreturn)) run(struct launch *launch)
{
    static const char *const environment[] = {"LD_PRELOAD=/preload.so", "LC_ALL=C", "HOME=/", NULL};
    struct error error = {0};
    struct qemu_arguments arguments = {0};
    process_reset_signals();
    if (open_layers(launch, &arguments, &error) < 0 || arrange(launch, &error) < 0 ||
        enter_root(launch, &error) < 0 || become_nobody(launch, &error) < 0) {
        dprintf(2, "%s\n", error.message);
        _exit(1);
    }
    qemu_arguments_make(launch, &arguments);
    if (!arguments.failed) {
        execve("/usr/bin/qemu-system-x86_64", arguments.at, (char *const *)environment);
    }
    dprintf(2, "start QEMU: %s\n", strerrordesc_np(errno));
    _exit(1);
}

static int make_console(struct launch *launch, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make the console");
    }
    launch->console.fd = ends[0];
    launch->console_end = ends[1];
    return 0;
}

int launch_qemu(struct launch *launch, struct error *err)
{
    if (make_console(launch, err) < 0) {
        return -1;
    }
    /* Nothing but itself is in its process namespace. */
    launch->child = process_fork_first();
    if (launch->child == 0) {
        run(launch);
    }
    launch->child_fd = launch->child > 0 ? pidfd_open(launch->child, 0) : -1;
    if (launch->child_fd < 0) {
        return error_set(err, ERR_ENGINE, errno, "start QEMU");
    }
    launch->console_end = close_fd(launch->console_end);
    launch->monitor = close_fd(launch->monitor);
    launch->agent_tap = close_fd(launch->agent_tap);
    launch->guest_tap = close_fd(launch->guest_tap);
    launch->memory = close_fd(launch->memory);
    launch->root = close_fd(launch->root);
    return 0;
}
