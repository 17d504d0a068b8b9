#include "engine/syscall_filter.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Names side by side, which the formatter would put one to a line. */
/* clang-format off */

/*
 * What ordinary programs use. A call in neither list gives ENOSYS, as on a kernel that does not have
 * it: programs then fall back. clone3 is allowed because the agent starts commands with it; the agent
 * takes it away from them, since the filter cannot look into its argument.
 */
static const char *const allowed[] = {
    "accept", "accept4", "access", "alarm", "arch_prctl", "bind", "brk", "cachestat", "capget",
    "capset", "chdir", "chmod", "chown", "clock_getres", "clock_gettime", "clock_nanosleep",
    "clone3", "close", "close_range", "connect", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2",
    "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
    "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr",
    "fstat", "fstatfs", "fsync", "ftruncate", "futex", "futex_requeue", "futex_wait",
    "futex_waitv", "futex_wake", "futimesat", "get_robust_list", "get_thread_area", "getcpu",
    "getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups", "getitimer",
    "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom",
    "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt",
    "gettid", "gettimeofday", "getuid", "getxattr", "inotify_add_watch", "inotify_init",
    "inotify_init1", "inotify_rm_watch", "ioctl", "ioprio_get", "ioprio_set", "kill",
    "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lgetxattr",
    "link", "linkat", "listen", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr",
    "lstat", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "mincore", "mkdir",
    "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mq_getsetattr",
    "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "mseal",
    "msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "nanosleep",
    "newfstatat", "open", "openat", "openat2", "pause", "pidfd_getfd", "pidfd_open",
    "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll",
    "ppoll", "prctl", "pread64", "preadv", "preadv2", "prlimit64", "process_madvise",
    "process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6", "ptrace", "pwrite64",
    "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "recvfrom",
    "recvmmsg", "recvmsg", "remap_file_pages", "removexattr", "rename", "renameat", "renameat2",
    "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
    "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "select",
    "semctl", "semget", "semop", "semtimedop", "sendfile", "sendmmsg", "sendmsg", "sendto",
    "set_robust_list", "set_thread_area", "set_tid_address", "setfsgid", "setfsuid", "setgid",
    "setgroups", "setitimer", "setpgid", "setpriority", "setregid", "setresgid", "setresuid",
    "setreuid", "setrlimit", "setsid", "setsockopt", "setuid", "setxattr", "shmat", "shmctl", "shmdt",
    "shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4", "socketpair", "splice", "stat",
    "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "sysinfo", "tee",
    "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
    "timer_settime", "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill",
    "truncate", "umask", "uname", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vfork",
    "vmsplice", "wait4", "waitid", "write", "writev", "chroot",
};

/* Refused as by a kernel that has them, so that programs report the truth. */
static const char *const refused[] = {
    "acct", "add_key", "adjtimex", "bpf", "clock_adjtime", "clock_settime", "delete_module",
    "fanotify_init", "fanotify_mark", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
    "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
    "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount",
    "mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at",
    "open_tree", "perf_event_open", "pivot_root", "quotactl", "quotactl_fd", "reboot", "request_key",
    "set_mempolicy", "get_mempolicy", "setdomainname", "sethostname", "setns", "settimeofday", "swapoff",
    "swapon", "syslog", "sysfs", "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup",
};

/* clang-format on */

static const unsigned long namespace_flags[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                                CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                                CLONE_NEWNET};

static const unsigned long personalities[] = {PER_LINUX,  UNAME26,           PER_LINUX32,
                                              0xffffffff, ADDR_NO_RANDOMIZE, PER_LINUX32 | UNAME26};

/* The families that programs need; the others are little used and often the way into a kernel. */
static const int allowed_families[] = {AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6};
static const int allowed_netlink[] = {NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_KOBJECT_UEVENT,
                                      NETLINK_AUDIT};
enum { FAMILY_MAX = 63 };

static int add_list(scmp_filter_ctx context, uint32_t action, const char *const *names,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        /* Calls that this architecture or this library does not know stay unknown to the filter. */
        if (number >= 0 && seccomp_rule_add(context, action, number, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* C passes an int in a register whose upper half may hold anything: only the lower one is compared. */
#define ARGUMENT_IS(number, value)                                                                 \
    SCMP_CMP(number, SCMP_CMP_MASKED_EQ, (scmp_datum_t)0xffffffff, (scmp_datum_t)(value))

static int add_clone(scmp_filter_ctx context)
{
    unsigned long all = 0;
    int failed = 0;
    for (size_t i = 0; i < COUNT(namespace_flags); i++) {
        unsigned long flag = namespace_flags[i];
        all |= flag;
        failed |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                   SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    return failed | seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, all, 0));
}

static bool family_allowed(int family)
{
    for (size_t i = 0; i < COUNT(allowed_families); i++) {
        if (allowed_families[i] == family) {
            return true;
        }
    }
    return false;
}

static int add_socket(scmp_filter_ctx context)
{
    int failed = 0;
    for (int family = 0; family <= FAMILY_MAX; family++) {
        uint32_t action = family_allowed(family) ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT);
        if (family != AF_NETLINK) {
            failed |=
                seccomp_rule_add(context, action, SCMP_SYS(socket), 1, ARGUMENT_IS(0, family));
        }
    }
    for (size_t i = 0; i < COUNT(allowed_netlink); i++) {
        failed |= seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                   ARGUMENT_IS(0, AF_NETLINK), ARGUMENT_IS(2, allowed_netlink[i]));
    }
    return failed;
}

static int add_personality(scmp_filter_ctx context)
{
    int failed = 0;
    for (size_t i = 0; i < COUNT(personalities); i++) {
        failed |= seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                                   ARGUMENT_IS(0, personalities[i]));
    }
    return failed;
}

static int build(scmp_filter_ctx context)
{
    return seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) < 0 ||
                   seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0 ||
                   add_list(context, SCMP_ACT_ALLOW, allowed, COUNT(allowed)) < 0 ||
                   add_list(context, SCMP_ACT_ERRNO(EPERM), refused, COUNT(refused)) < 0 ||
                   add_clone(context) != 0 || add_socket(context) != 0 ||
                   add_personality(context) != 0
               ? -1
               : 0;
}

/* The library can only write the program to a descriptor. */
static int export(scmp_filter_ctx context, struct seccomp_filter *ret_filter)
{
    auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
    struct stat info;
    if (fd < 0 || seccomp_export_bpf(context, fd) < 0 || fstat(fd, &info) < 0) {
        return -1;
    }
    size_t length = (size_t)info.st_size;
    auto_free struct sock_filter *instructions = malloc(length);
    if (!instructions || length / sizeof(*instructions) > BPF_MAXINSNS ||
        pread(fd, instructions, length, 0) != info.st_size) {
        return -1;
    }
    ret_filter->count = (unsigned short)(length / sizeof(*instructions));
    ret_filter->instructions = take_pointer(&instructions);
    return 0;
}

static int finish(scmp_filter_ctx context, int failed, struct seccomp_filter *ret_filter,
                  struct error *err)
{
    failed = failed || export(context, ret_filter) < 0;
    if (context) {
        seccomp_release(context);
    }
    return failed ? error_set(err, ERR_HOST_UNSUPPORTED, 0, "cannot build the system call filter")
                  : 0;
}

int seccomp_filter_build(struct seccomp_filter *ret_filter, struct error *err)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    return finish(context, !context || build(context) < 0, ret_filter, err);
}

int seccomp_filter_build_only(const char *const *names, size_t count,
                              struct seccomp_filter *ret_filter, struct error *err)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    return finish(context, !context || add_list(context, SCMP_ACT_ALLOW, names, count) < 0,
                  ret_filter, err);
}

void seccomp_filter_free(struct seccomp_filter *filter)
{
    free(filter->instructions);
    *filter = (struct seccomp_filter){0};
}

int seccomp_filter_load(const struct seccomp_filter *filter, struct error *err)
{
    struct sock_fprog program = {.len = filter->count, .filter = filter->instructions};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "load the system call filter");
    }
    return 0;
}
