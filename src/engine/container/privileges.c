#include "engine/container/privileges.h"

#include "base/cleanup.h"
#include "linux/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The agent answers even when commands use all of the CPU; it resets commands to 0. */
enum { AGENT_NICE = -10, AGENT_OOM_SCORE = -500, NOFILE_MAX = 1048576 };

static const int kept_capabilities[] = {CAP_CHOWN,      CAP_DAC_OVERRIDE, CAP_FSETID,
                                        CAP_FOWNER,     CAP_SETGID,       CAP_SETUID,
                                        CAP_SETFCAP,    CAP_SETPCAP,      CAP_NET_BIND_SERVICE,
                                        CAP_SYS_CHROOT, CAP_KILL,         CAP_AUDIT_WRITE};

static uint64_t kept_mask(void)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < sizeof(kept_capabilities) / sizeof(kept_capabilities[0]); i++) {
        mask |= UINT64_C(1) << kept_capabilities[i];
    }
    return mask;
}

/* A container host may lack the right to lower it; the agent then raises its commands' instead. */
static void set_oom_score(int score)
{
    char text[16];
    auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof(text), "%d", score);
    if (fd >= 0 && write(fd, text, (size_t)length) < 0 && errno == EACCES) {
        return;
    }
}

static void set_open_files(void)
{
    struct rlimit limit = {NOFILE_MAX, NOFILE_MAX};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int privileges_set_limits(struct error *err)
{
    struct rlimit no_core = {0, 0};
    set_oom_score(AGENT_OOM_SCORE);
    set_open_files();
    if (setrlimit(RLIMIT_CORE, &no_core) < 0) {
        return error_set(err, ERR_ENGINE, errno, "limit core dumps");
    }
    if (setpriority(PRIO_PROCESS, 0, AGENT_NICE) < 0 && errno != EACCES && errno != EPERM) {
        return error_set(err, ERR_ENGINE, errno, "set the agent's priority");
    }
    return 0;
}

static int drop_capabilities(struct error *err)
{
    uint64_t mask = kept_mask();
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        if (!(mask >> capability & 1) && prctl(PR_CAPBSET_DROP, capability) < 0) {
            return error_set(err, ERR_ENGINE, errno, "drop capability %d", capability);
        }
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)mask, .permitted = (uint32_t)mask},
        {.effective = (uint32_t)(mask >> 32), .permitted = (uint32_t)(mask >> 32)}};
    if (syscall(SYS_capset, &header, data) < 0) {
        return error_set(err, ERR_ENGINE, errno, "set capabilities");
    }
    return 0;
}

int privileges_drop(int userns_fd, const struct seccomp_filter *filter, struct error *err)
{
    if (setns(userns_fd, CLONE_NEWUSER) < 0) {
        return error_set(err, ERR_ENGINE, errno, "enter the user namespace");
    }
    if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
        return error_set(err, ERR_ENGINE, errno, "become root of the user namespace");
    }
    /* A keyring of its own: possessing the host's would give access to its keys. */
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (drop_capabilities(err) < 0) {
        return -1;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_set(err, ERR_ENGINE, errno, "set no_new_privs");
    }
    return seccomp_filter_load(filter, err);
}

static int write_map(pid_t pid, const char *file, unsigned base, unsigned count, struct error *err)
{
    char path[64], text[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    int length = snprintf(text, sizeof(text), "0 %u %u\n", base, count);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)length) != length) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "write %s of a user namespace", file);
    }
    return 0;
}

static int map_and_open(pid_t pid, unsigned base, unsigned count, struct error *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    if (write_map(pid, "uid_map", base, count, err) < 0 ||
        write_map(pid, "gid_map", base, count, err) < 0) {
        return -1;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? error_set(err, ERR_ENGINE, errno, "open a user namespace") : fd;
}

/* Its maker owns a user namespace, and the kernel counts what is used inside (inotify instances, for
 * one) as the owner's, too: each sandbox's is made by an id of its own, so that none uses up what others
 * need. Says so on the pipe and waits to be killed: the namespace lives as long as this process. */
static void __attribute__((noreturn)) hold_user_namespace(unsigned owner, int pipe_fd)
{
    bool made = syscall(SYS_setresuid, owner, owner, owner) == 0 && unshare(CLONE_NEWUSER) == 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* not before: a change of ids takes it away */
    int problem = made ? 0 : errno;
    if (write(pipe_fd, &problem, sizeof(problem)) != sizeof(problem) || problem) {
        _exit(1);
    }
    close_fd(pipe_fd);
    for (;;) {
        pause();
    }
}

int privileges_make_user_namespace(unsigned base, unsigned count, struct error *err)
{
    int ends[2], problem = EPIPE;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_set(err, ERR_ENGINE, errno, "make a user namespace");
    }
    auto_close int reading = ends[0];
    auto_close int writing = ends[1];
    pid_t pid = fork();
    if (pid == 0) {
        hold_user_namespace(base, writing);
    }
    if (pid < 0) {
        return error_set(err, ERR_ENGINE, errno, "make a user namespace");
    }
    close_fd(take_fd(&writing));
    int fd = -1;
    if (read(reading, &problem, sizeof(problem)) != sizeof(problem) || problem) {
        error_set(err, ERR_HOST_UNSUPPORTED, problem, "make a user namespace");
        error_hint(err, "Allow user namespaces: sysctl user.max_user_namespaces.");
    } else {
        fd = map_and_open(pid, base, count, err);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return fd;
}
