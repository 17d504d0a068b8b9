#include "agent/spawn.h"

#include "agent/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { PATH_BYTES = 4096, KERNEL_SIGSET_BYTES = 8 };

/* Commands are killed for memory before the agent. Raising it needs no privilege. */
static const char oom_score_adj[] = "300";

static const char shell[] = "/bin/sh";

static __attribute__((noreturn)) void fail(const struct spawn_child *child, enum spawn_stage stage,
                                           int errnum)
{
    *child->report = (struct spawn_report){stage, errnum};
    for (;;) {
        syscall(SYS_exit_group, 127);
    }
}

static void set_stdio(const struct spawn_child *child)
{
    for (int fd = 0; fd < 3; fd++) {
        if (dup2(child->plan->stdio[fd], fd) < 0) {
            fail(child, SPAWN_PIPE, errno);
        }
    }
    /* Everything else is close-on-exec already; a cwd of /proc/self/fd/N must find nothing either. */
    syscall(SYS_close_range, 3U, ~0U, 0U);
}

static void set_terminal(const struct spawn_child *child)
{
    if (child->plan->terminal && ioctl(0, TIOCSCTTY, 0) < 0) {
        fail(child, SPAWN_PTY, errno);
    }
}

/* A machine's kernel never kills its first process, which the agent is there. */
static void set_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t written = write(fd, oom_score_adj, sizeof(oom_score_adj) - 1);
        (void)written; /* refused where it is already higher: fine */
        close(fd);
    }
}

static void set_scheduling(const struct spawn_child *child)
{
    setpriority(PRIO_PROCESS, 0, 0);
    umask(022);
    if (!machine_is_own()) {
        set_oom_score();
    }
    syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, child->descriptors, NULL);
}

/* Raw calls: libc's would make every thread of the agent change its user. */
static void set_user(const struct spawn_child *child)
{
    const struct account *account = child->plan->account;
    if (geteuid() != 0 && account->uid == geteuid() && account->gid == getegid()) {
        return;
    }
    if (syscall(SYS_setgroups, account->group_count, account->groups) < 0 ||
        syscall(SYS_setresgid, account->gid, account->gid, account->gid) < 0 ||
        syscall(SYS_setresuid, account->uid, account->uid, account->uid) < 0) {
        fail(child, SPAWN_USER, errno);
    }
}

static void set_directory(const struct spawn_child *child)
{
    const struct spawn_plan *plan = child->plan;
    if (chdir(plan->cwd) < 0 && !(plan->cwd_optional && chdir("/") == 0)) {
        fail(child, SPAWN_CWD, errno);
    }
}

/* clone3(2) takes its flags by pointer, where no filter can see a new namespace being asked for. The
 * agent needs it, commands do not: they get ENOSYS, upon which libc uses clone(2). */
static void deny_clone3(const struct spawn_child *child)
{
    enum { CLONE3 = 435, X32_BIT = 0x40000000 }; /* the same number on every architecture */
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
        fail(child, SPAWN_EXEC, errno);
    }
}

/* As shells do: a text file without an interpreter line is a script for /bin/sh. */
static void execute(const struct spawn_child *child, const char *path)
{
    char **arguments = child->plan->arguments;
    execve(path, arguments, child->plan->environment);
    if (errno == ENOEXEC) {
        char *first = arguments[0];
        arguments[0] = (char *)(uintptr_t)path;
        arguments[-1] = (char *)(uintptr_t)shell;
        execve(shell, arguments - 1, child->plan->environment);
        arguments[0] = first;
    }
}

/* Tries each directory of PATH; remembers a file that is there but may not be executed. */
static int search_and_execute(const struct spawn_child *child)
{
    const char *name = child->plan->arguments[0];
    size_t name_length = strlen(name);
    const char *directory = child->plan->search_path;
    int errnum = ENOENT;
    for (;;) {
        size_t length = strcspn(directory, ":");
        char path[PATH_BYTES];
        if (length + 1 + name_length < sizeof(path)) {
            memcpy(path, directory, length);
            path[length] = '/';
            memcpy(path + length + (length > 0), name, name_length + 1);
            execute(child, path);
            if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG) {
                errnum = errno;
            }
            if (errnum != ENOENT && errnum != EACCES) {
                return errnum;
            }
        }
        if (directory[length] == '\0') {
            return errnum;
        }
        directory += length + 1;
    }
}

int spawn_child_run(void *spawn_child)
{
    const struct spawn_child *child = spawn_child;
    setsid();
    set_stdio(child);
    set_terminal(child);
    set_scheduling(child);
    set_user(child);
    set_directory(child);
    if (!machine_is_own()) { /* the namespaces of a machine are its own affair */
        deny_clone3(child);
    }
    unsigned char no_signals[KERNEL_SIGSET_BYTES] = {0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL, sizeof(no_signals));
    int errnum;
    if (strchr(child->plan->arguments[0], '/')) {
        execute(child, child->plan->arguments[0]);
        errnum = errno;
    } else {
        errnum = search_and_execute(child);
    }
    fail(child, SPAWN_EXEC, errnum);
}
