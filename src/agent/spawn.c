#include "agent/spawn.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* Sanitizers keep state about memory and stacks that a child must not share: it gets a copy. */
#ifdef __SANITIZE_ADDRESS__
enum { SHARE_MEMORY = 0 };
#else
enum { SHARE_MEMORY = CLONE_VM };
#endif

enum { STACK_BYTES = 64 * 1024, REPORT_BYTES = 4096 };

/* struct clone_args of linux/sched.h, whose constants clash with libc's. */
struct clone3_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};

int spawner_init(struct spawner *spawner, const struct rlimit *descriptors)
{
    void *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *report =
        mmap(NULL, REPORT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || report == MAP_FAILED) {
        return -1;
    }
    spawner->stack = stack;
    spawner->report = report;
    spawner->descriptors = *descriptors;
    return 0;
}

/* clone3(2) whose child calls run(argument) on the stack given. There is no libc function for it, and a
 * C function cannot return twice on one stack: hence assembly. Returns the pid or a negative errno. */
static long clone3_run(struct clone3_arguments *arguments, int (*run)(void *), void *argument)
{
#if defined(__x86_64__)
    long result;
    register int (*run_register)(void *) __asm__("r12") = run;
    register void *argument_register __asm__("r13") = argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "and $-16, %%rsp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone3), "D"(arguments), "S"(sizeof(*arguments)), "r"(run_register),
                       "r"(argument_register)
                     : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_clone3;
    register void *first __asm__("x0") = arguments;
    register long second __asm__("x1") = sizeof(*arguments);
    register int (*run_register)(void *) __asm__("x19") = run;
    register void *argument_register __asm__("x20") = argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x20\n\t"
                     "blr x19\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(first)
                     : "r"(number), "r"(second), "r"(run_register), "r"(argument_register)
                     : "memory", "cc");
    return (long)first;
#else
    (void)arguments;
    (void)run;
    (void)argument;
    return -ENOSYS;
#endif
}

static pid_t clone_child(struct spawner *spawner, struct spawn_child *child)
{
    struct clone3_arguments arguments = {
        .flags = CLONE_VFORK | SHARE_MEMORY,
        .exit_signal = SIGCHLD,
        .stack = SHARE_MEMORY ? (uintptr_t)spawner->stack : 0,
        .stack_size = SHARE_MEMORY ? STACK_BYTES : 0,
    };
    if (child->plan->cgroup_fd >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)child->plan->cgroup_fd;
    }
    long pid = clone3_run(&arguments, spawn_child_run, child);
    if (pid < 0 && pid != -EAGAIN && pid != -ENOMEM && child->plan->cgroup_fd >= 0) {
        /* The cgroup was refused: better a command without its own than none. */
        arguments.flags &= ~CLONE_INTO_CGROUP;
        arguments.cgroup = 0;
        pid = clone3_run(&arguments, spawn_child_run, child);
    }
    if (pid == -ENOSYS || pid == -EPERM) {
        pid = clone(spawn_child_run, spawner->stack + STACK_BYTES,
                    CLONE_VFORK | SHARE_MEMORY | SIGCHLD, child);
        return (pid_t)pid;
    }
    if (pid < 0) {
        errno = (int)-pid;
        return -1;
    }
    return (pid_t)pid;
}

pid_t spawn(struct spawner *spawner, const struct spawn_plan *plan, struct spawn_report *ret_report)
{
    struct spawn_child child = {plan, spawner->report, &spawner->descriptors};
    *spawner->report = (struct spawn_report){SPAWN_NONE, 0};
    /* CLONE_VFORK: the child has called execve or ended when this returns. */
    pid_t pid = clone_child(spawner, &child);
    if (pid < 0) {
        *ret_report = (struct spawn_report){SPAWN_FORK, errno};
        return -1;
    }
    *ret_report = *spawner->report;
    if (ret_report->stage != SPAWN_NONE) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        return -1;
    }
    return pid;
}

const char *spawn_stage_name(enum spawn_stage stage)
{
    static const char *const names[] = {"none", "fork", "pipe", "user", "cwd", "exec", "pty"};
    return names[stage];
}
