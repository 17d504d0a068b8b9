#include "isolate.h"

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

void isolate_processes(void)
{
    if (geteuid() != 0) {
        return;
    }
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
        die("make a PID namespace");
    }
    pid_t pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid > 0) {
        int status;
        if (waitpid(pid, &status, 0) != pid) {
            die("wait");
        }
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getpid() != 1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
        die("mount /proc of the PID namespace");
    }
}
