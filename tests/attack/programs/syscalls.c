/* Calls every system call number with several sets of arguments, each in a child of its own, and prints
 * "number errno" for the plain set. What would only end or stop the child itself is left out. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int left_out[] = {
    SYS_exit,   SYS_exit_group,    SYS_rt_sigreturn,    SYS_pause, SYS_fork,
    SYS_vfork,  SYS_clone,         SYS_clone3,          SYS_kill,  SYS_tkill,
    SYS_tgkill, SYS_rt_sigsuspend, SYS_restart_syscall,
};

static int is_left_out(int number)
{
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) {
        if (left_out[i] == number) {
            return 1;
        }
    }
    return 0;
}

static void call(int number, int set, long *result)
{
    static char page[65536];
    long zero[6] = {0};
    long minus[6] = {-1, -1, -1, -1, -1, -1};
    long pages[6] = {(long)page, (long)page, (long)page, (long)page, (long)page, (long)page};
    long mixed[6] = {0, (long)page, 4096, (long)page, 1, 0};
    long *sets[] = {zero, minus, pages, mixed};
    long *a = sets[set];
    alarm(1);
    long value = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    *result = value == -1 ? errno : 0;
    _exit(0);
}

int main(int argc, char **argv)
{
    int last = argc > 1 ? atoi(argv[1]) : 600;
    long *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int number = 0; number <= last; number++) {
        for (int set = 0; set < 4 && !is_left_out(number); set++) {
            *result = -1;
            pid_t child = fork();
            if (child == 0) {
                setpgid(0, 0);
                call(number, set, result);
            }
            if (child < 0) {
                perror("fork");
                return 1;
            }
            int status;
            waitpid(child, &status, 0);
            kill(-child, SIGKILL);
            if (set == 0) {
                printf("%d %ld\n", number, *result);
            }
        }
    }
    puts("done");
    return 0;
}
