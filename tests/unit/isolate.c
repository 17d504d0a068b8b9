#include "isolate.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int wait_for(pid_t pid)
{
    int status;
    pid_t ended;
    while ((ended = wait(&status)) != pid) {
        if (ended < 0 && errno != EINTR) {
            die("wait");
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Goes on in a child whose end is the caller's end. */
static void fork_and_follow(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid > 0) {
        _exit(wait_for(pid));
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void isolate_processes(void)
{
    if (geteuid() != 0) {
        printf("1..0 # SKIP needs root\n");
        exit(0);
    }
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
        die("make a PID namespace");
    }
    fork_and_follow();
    if (getpid() != 1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
        die("mount /proc of the PID namespace");
    }
    /* Init stays behind to reap: the leak checker cannot look into the init of a namespace. */
    fork_and_follow();
}
