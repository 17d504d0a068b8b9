/* Calls what a sandbox must not have, with arguments that would do something; "name errno" a line, 0 for
 * a call that succeeded. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *name, long value)
{
    printf("%s %d\n", name, value == -1 ? errno : 0);
}

#define TRY(name, expression) (errno = 0, tell(name, (long)(expression)))

static char attributes[256];
static char params[256];

static long clone3_namespace(void)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        _exit(0);
    }
    return child;
}

static long clone_namespace(unsigned long flag)
{
    long child = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        _exit(0);
    }
    return child;
}

static void namespaces(void)
{
    TRY("clone3 newuser", clone3_namespace());
    TRY("clone newuser", clone_namespace(CLONE_NEWUSER));
    TRY("clone newns", clone_namespace(CLONE_NEWNS));
    TRY("clone newnet", clone_namespace(CLONE_NEWNET));
    TRY("unshare user", unshare(CLONE_NEWUSER));
    TRY("unshare mount", unshare(CLONE_NEWNS));
    TRY("unshare net", unshare(CLONE_NEWNET));
    TRY("unshare cgroup", unshare(CLONE_NEWCGROUP));
    TRY("setns", syscall(SYS_setns, open("/proc/self/ns/mnt", O_RDONLY), 0));
}

static void mounts(void)
{
    mkdir("/tmp/m", 0755);
    TRY("mount tmpfs", mount("x", "/tmp/m", "tmpfs", 0, ""));
    TRY("mount bind", mount("/etc", "/tmp/m", NULL, MS_BIND, NULL));
    TRY("mount proc", mount("proc", "/tmp/m", "proc", 0, NULL));
    TRY("mount cgroup", mount("cgroup", "/tmp/m", "cgroup", 0, "memory"));
    TRY("mount cgroup2", mount("cgroup2", "/tmp/m", "cgroup2", 0, NULL));
    TRY("mount overlay",
        mount("o", "/tmp/m", "overlay", 0, "lowerdir=/etc,upperdir=/tmp,workdir=/var"));
    TRY("remount root", mount(NULL, "/", NULL, MS_REMOUNT, NULL));
    TRY("remount proc", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
    TRY("umount proc", umount2("/proc/sys", MNT_DETACH));
    TRY("umount kcore", umount2("/proc/kcore", MNT_DETACH));
    TRY("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    TRY("open_tree clone", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    TRY("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/etc", AT_FDCWD, "/tmp/m", 0));
    TRY("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, attributes, 32));
    TRY("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp/m"));
    TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, params, 0));
}

static void kernel(void)
{
    TRY("bpf", syscall(SYS_bpf, 0, attributes, sizeof attributes));
    TRY("perf_event_open", syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 0));
    TRY("io_uring_setup", syscall(SYS_io_uring_setup, 4, params));
    TRY("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
    TRY("add_key", syscall(SYS_add_key, "user", "a", "b", 1, KEY_SPEC_PROCESS_KEYRING));
    TRY("request_key", syscall(SYS_request_key, "user", "a", NULL, KEY_SPEC_PROCESS_KEYRING));
    TRY("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    TRY("init_module", syscall(SYS_init_module, params, 0, ""));
    TRY("finit_module", syscall(SYS_finit_module, 0, "", 0));
    TRY("delete_module", syscall(SYS_delete_module, "x", 0));
    TRY("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
    TRY("swapon", swapon("/tmp/x", 0));
    TRY("syslog", syscall(SYS_syslog, 3, params, sizeof params));
    TRY("acct", acct("/tmp/x"));
    TRY("quotactl", syscall(SYS_quotactl, 0x800001 << 8, NULL, 0, NULL));
    TRY("iopl", syscall(SYS_iopl, 3));
    TRY("ioperm", syscall(SYS_ioperm, 0, 1, 1));
    TRY("settimeofday", syscall(SYS_settimeofday, &(struct timespec){1, 1}, NULL));
    TRY("clock_settime", clock_settime(CLOCK_REALTIME, &(struct timespec){1, 1}));
    TRY("sethostname", sethostname("owned", 5));
    TRY("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, params, 10));
}

static void others(void)
{
    TRY("raw socket", socket(AF_INET, SOCK_RAW, 255));
    TRY("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    TRY("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    TRY("mknod disk", mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0)));
    TRY("mknod mem", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)));
    TRY("ptrace init", ptrace(PTRACE_ATTACH, 1, 0, 0));
    TRY("fifo priority", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){50}));
}

int main(void)
{
    namespaces();
    mounts();
    kernel();
    others();
    return 0;
}
