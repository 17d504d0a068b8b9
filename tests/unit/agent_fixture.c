#include "agent_fixture.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { GENEROUS_MS = 20000, LISTENER_FD = 3, OOM_FD = 4, CGROUP_FD = 5 };

static struct fixture shared;
static char cgroup_path[256];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT;
}

static void remove_cgroups(void)
{
    DIR *directory = opendir(cgroup_path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, "cmd-", 4) == 0) {
            char path[600];
            snprintf(path, sizeof(path), "%s/%s/cgroup.kill", cgroup_path, entry->d_name);
            fixture_write(path, "1");
            snprintf(path, sizeof(path), "%s/%s", cgroup_path, entry->d_name);
            for (int i = 0; i < GENEROUS_MS / 10 && rmdir(path) < 0 && errno == EBUSY; i++) {
                poll(NULL, 0, 10);
            }
        }
    }
    if (directory) {
        closedir(directory);
        rmdir(cgroup_path);
    }
}

static void stop_agent(void)
{
    if (shared.agent_pid > 0) {
        kill(shared.agent_pid, SIGTERM);
        waitpid(shared.agent_pid, NULL, 0);
    }
    if (cgroup_path[0]) {
        remove_cgroups();
    }
    nftw(shared.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A directory of its own in the cgroup v2 tree, or -1 where tests may not make one. */
static int open_cgroup(void)
{
    auto_fclose FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *mount;
    while (mounts && (mount = getmntent(mounts))) {
        if (strcmp(mount->mnt_type, "cgroup2") == 0) {
            snprintf(cgroup_path, sizeof(cgroup_path), "%s/%s", mount->mnt_dir,
                     strrchr(shared.directory, '/') + 1);
            if (mkdir(cgroup_path, 0755) == 0) {
                return open(cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            }
        }
    }
    cgroup_path[0] = '\0';
    return -1;
}

static int open_listener(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", shared.socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 512) < 0) {
        perror("agent socket");
        exit(1);
    }
    return fd;
}

static void exec_agent(int listener, int oom, int cgroup)
{
    const char *agent = getenv("ATOLL_TEST_AGENT");
    /* Away from the numbers that are their targets first. */
    int fds[3] = {fcntl(listener, F_DUPFD, 10), fcntl(oom, F_DUPFD, 10),
                  fcntl(cgroup, F_DUPFD, 10)};
    for (int i = 0; i < 3; i++) {
        dup2(fds[i], LISTENER_FD + i);
        close(fds[i]);
    }
    const char *descriptors = getenv("ATOLL_TEST_DESCRIPTORS");
    if (descriptors) {
        rlim_t count = strtoul(descriptors, NULL, 10);
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){count, count});
    }
    execl(agent ? agent : "", "atoll-agent", (char *)NULL);
    perror("start the agent (ATOLL_TEST_AGENT)");
    _exit(127);
}

static void start_agent(void)
{
    snprintf(shared.directory, sizeof(shared.directory), "/tmp/atoll-unit-XXXXXX");
    if (!mkdtemp(shared.directory)) {
        perror("mkdtemp");
        exit(1);
    }
    snprintf(shared.socket_path, sizeof(shared.socket_path), "%s/agent.sock", shared.directory);
    snprintf(shared.oom_path, sizeof(shared.oom_path), "%s/oom", shared.directory);
    fixture_write(shared.oom_path, "low 0\noom_kill_disable 0\noom_kill 7\n");
    auto_close int listener = open_listener();
    auto_close int oom = open(shared.oom_path, O_RDONLY | O_CLOEXEC);
    auto_close int cgroup = getenv("ATOLL_TEST_NO_CGROUP") ? -1 : open_cgroup();
    shared.has_cgroup = cgroup >= 0;
    if (cgroup < 0) {
        cgroup = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    fflush(stdout);
    shared.agent_pid = fork();
    if (shared.agent_pid == 0) {
        exec_agent(listener, oom, cgroup);
    }
    atexit(stop_agent);
}

const struct fixture *fixture(void)
{
    if (shared.agent_pid == 0) {
        start_agent();
    }
    return &shared;
}

const char *fixture_path(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", fixture()->directory, name);
    return path;
}

bool fixture_write(const char *path, const char *text)
{
    auto_fclose FILE *file = fopen(path, "we");
    return file && fputs(text, file) >= 0 && fflush(file) == 0;
}

bool fixture_read(const char *path, char *text, size_t size)
{
    auto_fclose FILE *file = fopen(path, "re");
    if (!file) {
        return false;
    }
    text[fread(text, 1, size - 1, file)] = '\0';
    return true;
}

static void append(char *text, size_t size, size_t *length, const struct bytes_view *bytes)
{
    if (*length < size - 1) {
        size_t room = size - 1 - *length;
        memcpy(text + *length, bytes->data, bytes->length < room ? bytes->length : room);
    }
    *length += bytes->length;
    text[*length < size - 1 ? *length : size - 1] = '\0';
}

void run_to_end(struct agent_call *call, struct outcome *ret_outcome)
{
    struct agent_event event;
    size_t err_length = 0;
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    while (agent_exec_next(call, -1, -1, &event, &ret_outcome->err) == 1) {
        switch (event.type) {
        case AGENT_EVENT_STARTED:
            ret_outcome->started = true;
            break;
        case AGENT_EVENT_STDOUT:
            append(ret_outcome->out, sizeof(ret_outcome->out), &ret_outcome->out_length,
                   &event.bytes);
            break;
        case AGENT_EVENT_STDERR:
            append(ret_outcome->err_out, sizeof(ret_outcome->err_out), &err_length, &event.bytes);
            break;
        case AGENT_EVENT_EXIT:
            ret_outcome->exit = event.exit;
            return;
        }
    }
}

struct agent_call *start_script(const char *script, int64_t timeout_ms, bool open_stdin)
{
    const char *arguments[] = {"/bin/sh", "-c", script, NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct agent_exec request = {.arguments = arguments,
                                 .environment = environment,
                                 .cwd = fixture()->directory,
                                 .timeout_ms = timeout_ms,
                                 .open_stdin = open_stdin};
    struct error err = {0};
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    if (!call) {
        printf("# start: %s\n", err.message);
    }
    return call;
}

void run_script(const char *script, struct outcome *ret_outcome)
{
    struct agent_call *call = start_script(script, 0, false);
    run_to_end(call, ret_outcome);
    agent_call_free(call);
}

long read_number(struct agent_call *call)
{
    char text[256] = "";
    size_t length = 0;
    struct agent_event event;
    struct error err = {0};
    while (!strchr(text, '\n') && agent_exec_next(call, -1, -1, &event, &err) == 1) {
        if (event.type == AGENT_EVENT_EXIT) {
            return -1;
        }
        if (event.type == AGENT_EVENT_STDOUT) {
            append(text, sizeof(text), &length, &event.bytes);
        }
    }
    return length > 0 ? strtol(text, NULL, 10) : -1;
}

void kill_process(pid_t pid)
{
    if (pid > 1) { /* 0 and -1 mean many processes */
        kill(pid, SIGKILL);
    }
}

bool wait_gone(pid_t pid)
{
    if (pid <= 1) {
        return false;
    }
    auto_close int fd = pidfd_open(pid, 0);
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return fd < 0 ? errno == ESRCH : poll(&waiting, 1, GENEROUS_MS) == 1;
}
