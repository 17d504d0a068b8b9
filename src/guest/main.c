#include "guest/guest.h"
#include "wire/guest_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>

/* As in a container: commands get their own, see agent/child.c. */
enum { AGENT_NICE = -10, OPEN_FILES_MAX = 1048576 };

/* The first number of those that the agent expects what it is handed at, and one above them all. */
enum { HANDED_FD = 3, SPARE_FD = 32 };

static void end_after_probe(void)
{
    char arguments[4096] = "";
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, arguments, sizeof(arguments) - 1) < 0) {
        guest_fail("cannot read /proc/cmdline");
    }
    close(fd);
    if (strstr(arguments, GUEST_PROBE_ARGUMENT)) {
        printf("%s\n", GUEST_PROBE_WORD);
        fflush(stdout);
        reboot(RB_AUTOBOOT);
    }
}

static void set_kernel_options(void)
{
    guest_write("/proc/sys/kernel/hostname", "sandbox");
    guest_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    guest_write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

static void set_limits(void)
{
    struct rlimit open_files = {OPEN_FILES_MAX, OPEN_FILES_MAX};
    struct rlimit any = {RLIM_INFINITY, RLIM_INFINITY}; /* the cgroup limits all users together */
    struct rlimit no_core = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &open_files) < 0 || setrlimit(RLIMIT_NPROC, &any) < 0 ||
        setrlimit(RLIMIT_CORE, &no_core) < 0 || setpriority(PRIO_PROCESS, 0, AGENT_NICE) < 0) {
        guest_fail("cannot set limits");
    }
}

/* Root in the sandbox keeps every right over its own kernel but those that take the kernel away from under
 * the agent, by which atoll would lose the sandbox. */
static void drop_capabilities(void)
{
    static const int dropped[] = {CAP_SYS_BOOT, CAP_SYS_MODULE, CAP_SYS_RAWIO};
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0) < 0) {
            guest_fail("cannot drop a capability");
        }
    }
}

/* Moves descriptors above those that are handed over, then each to its place. */
static void place(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        int moved = fcntl(fds[i], F_DUPFD_CLOEXEC, SPARE_FD);
        if (moved < 0) {
            guest_fail("cannot move a descriptor");
        }
        close(fds[i]);
        fds[i] = moved;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(fds[i], HANDED_FD + i) < 0) {
            guest_fail("cannot hand a descriptor over");
        }
    }
}

int main(void)
{
    guest_early_mounts();
    end_after_probe();
    guest_load_modules();
    int memory_events;
    int listener = guest_open_network();
    int cgroup = guest_open_cgroup(&memory_events);
    int handed[] = {listener, memory_events, cgroup};
    int agent = fcntl(guest_seal_agent(), F_DUPFD_CLOEXEC, SPARE_FD);
    set_kernel_options();
    guest_enter_root();
    set_limits();
    drop_capabilities();
    place(handed, sizeof(handed) / sizeof(handed[0]));
    char *arguments[] = {"atoll-agent", NULL};
    char *environment[] = {"ATOLL_DURABLE=1", NULL};
    fexecve(agent, arguments, environment);
    guest_fail("cannot start the agent");
}
