#include "linux/process.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char system_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void process_reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t process_fork_helper(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        process_reset_signals();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
    }
    return pid;
}

pid_t process_fork_first(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        process_reset_signals();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

void process_close_others(const int *keep, size_t keep_count)
{
    unsigned from = 3;
    for (size_t i = 0; i < keep_count; i++) {
        if (keep[i] < (int)from) {
            continue;
        }
        if ((unsigned)keep[i] > from) {
            close_range(from, (unsigned)keep[i] - 1, 0);
        }
        from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0U, 0);
}

int process_start_time(pid_t pid, uint64_t *ret_ticks)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, path, 4096, &text) < 0) {
        return -1;
    }
    /* The command's name may hold anything, so count from the last parenthesis: field 3 follows. */
    char *from = strrchr(text, ')');
    for (int field = 2; from && field < 22; field++) {
        from = strchr(from + 1, ' ');
    }
    unsigned long long ticks;
    if (!from || sscanf(from, "%llu", &ticks) != 1) {
        errno = EINVAL;
        return -1;
    }
    *ret_ticks = ticks;
    return 0;
}

int process_open(pid_t pid)
{
    return pidfd_open(pid, 0);
}

int process_signal(int pidfd, int signal_number)
{
    return pidfd_send_signal(pidfd, signal_number, NULL, 0);
}

static void exec_program(const char *const argv[], int input_fd, int output_fd)
{
    process_reset_signals();
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(input_fd >= 0 ? input_fd : null_fd, 0) < 0 || dup2(null_fd, 1) < 0 ||
        dup2(output_fd, 2) < 0) {
        _exit(127);
    }
    close_range(3, ~0U, 0);
    setenv("PATH", system_path, 1);
    setenv("LC_ALL", "C", 1);
    execvp(argv[0], (char *const *)argv);
    dprintf(2, "%s: %s\n", argv[0], strerrordesc_np(errno));
    _exit(127);
}

/* Both pipes hold 64 KiB: what is written here is smaller, so neither side can block for ever. */
static int feed(int fd, const char *input)
{
    return write(fd, input, strlen(input)) == (ssize_t)strlen(input) ? 0 : -1;
}

static void read_first_line(int fd, char *line, size_t size)
{
    char text[4096];
    ssize_t got = 0, length = 0;
    while (length < (ssize_t)sizeof(text) - 1 &&
           (got = read(fd, text + length, sizeof(text) - 1 - (size_t)length)) > 0) {
        length += got;
    }
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    snprintf(line, size, "%s", text);
}

int process_run(const char *const argv[], const char *input, struct error *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        close_fd(in[0]);
        close_fd(in[1]);
        return error_set(err, ERR_INTERNAL, errno, "make pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        exec_program(argv, input ? in[0] : -1, out[1]);
    }
    close_fd(in[0]);
    close_fd(out[1]);
    int fed = pid > 0 && input ? feed(in[1], input) : 0;
    close_fd(in[1]);
    char line[256] = "";
    int status = -1;
    if (pid > 0) {
        read_first_line(out[0], line, sizeof(line));
        waitpid(pid, &status, 0);
    }
    close_fd(out[0]);
    if (pid < 0 || status != 0 || fed < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, 0, "%s failed: %s", argv[0],
                         line[0] ? line : "it gave no reason");
    }
    return 0;
}
