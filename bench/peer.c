/* atoll-bench-peer: starts a program again and again, as a launcher of sandboxes does, and prints
 * how long its first output and its end took as one line of JSON. */
#include "base/cleanup.h"
#include "stats.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct launch {
    char **argv;
    const char *root; /* chroot there first, or NULL */
    int pause_ms;
    int number;
};

/* Each "@" in the arguments stands for the launch's number: names of containers must differ. */
static void number_arguments(const struct launch *launch, char **argv, char *text, size_t size)
{
    for (int i = 0; launch->argv[i]; i++) {
        argv[i] = launch->argv[i];
        if (strcmp(launch->argv[i], "@") == 0) {
            snprintf(text, size, "peer-%d-%d", (int)getpid(), launch->number);
            argv[i] = text;
        }
    }
}

static void exec_child(const struct launch *launch, char **argv, int output)
{
    if (launch->root && (chroot(launch->root) || chdir("/"))) {
        _exit(126);
    }
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd >= 0) {
        dup2(null_fd, STDIN_FILENO);
    }
    dup2(output, STDOUT_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

/* The whole output must be "hi\n". */
static int read_output(int fd, int64_t start, double *ret_first_ms)
{
    char text[64];
    size_t used = 0;
    for (;;) {
        ssize_t length = read(fd, text + used, sizeof text - used);
        if (length < 0 && errno == EINTR) {
            continue;
        }
        if (length <= 0) {
            break;
        }
        if (used == 0) {
            *ret_first_ms = ms_since(start);
        }
        used += (size_t)length;
    }
    return used == 3 && memcmp(text, "hi\n", 3) == 0 ? 0 : -1;
}

static int run_once(const struct launch *launch, double *ret_first_ms, double *ret_end_ms)
{
    char *argv[64] = {0};
    char text[64];
    int ends[2];
    number_arguments(launch, argv, text, sizeof text);
    assert(argv[0]);
    if (pipe2(ends, O_CLOEXEC)) {
        return -1;
    }
    int64_t start = now_ns();
    pid_t pid = fork();
    if (pid == 0) {
        exec_child(launch, argv, ends[1]);
    }
    close_fd(ends[1]);
    int result = pid < 0 ? -1 : read_output(ends[0], start, ret_first_ms);
    int status = -1;
    close_fd(ends[0]);
    if (pid > 0 && waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    *ret_end_ms = ms_since(start);
    return result || !WIFEXITED(status) || WEXITSTATUS(status) != 0 ? -1 : 0;
}

static void print_result(double *first, double *end, size_t count, int failures, int pause)
{
    json_t *result = json_pack("{s:i,s:i,s:o,s:o}", "pause_ms", pause, "failures", failures, "ms",
                               stats_json(first, count), "total_ms", stats_json(end, count));
    json_dumpf(result, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(result);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fputs("usage: atoll-bench-peer COUNT PAUSE_MS ROOT|- PROGRAM [ARGUMENT...]\n"
              "  PROGRAM must print 'hi'; an argument @ becomes a name of its own each time\n",
              stderr);
        return 2;
    }
    int count = atoi(argv[1]);
    struct launch launch = {.argv = argv + 4,
                            .pause_ms = atoi(argv[2]),
                            .root = strcmp(argv[3], "-") == 0 ? NULL : argv[3]};
    if (count < 1 || argc - 4 > 60) {
        return 2;
    }
    double *first = calloc((size_t)count, sizeof *first);
    double *end = calloc((size_t)count, sizeof *end);
    size_t good = 0;
    if (!first || !end) {
        return 1;
    }
    /* One more that is not counted: everything is in the page cache then. */
    for (int i = -1; i < count; i++) {
        double first_ms = 0;
        double end_ms = 0;
        launch.number = i;
        pause_for_ms(i < 0 ? 0 : launch.pause_ms);
        if (run_once(&launch, &first_ms, &end_ms) == 0 && i >= 0) {
            first[good] = first_ms;
            end[good++] = end_ms;
        }
    }
    print_result(first, end, good, count - (int)good, launch.pause_ms);
    free(first);
    free(end);
    return good > 0 ? 0 : 1;
}
