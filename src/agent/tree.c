#include "agent/tree.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Idle cgroups kept for reuse: making and removing one costs more than the fork. */
enum { SPARE_MAX = 8, SWEEP_MAX = 16, KILL_ROUNDS_MAX = 16, PROCESSES_MAX = 4096 };

static void tree_name(unsigned number, char text[32])
{
    snprintf(text, 32, "cmd-%u", number);
}

void trees_init(struct trees *trees, int dir_fd)
{
    struct stat st;
    bool usable = fstat(dir_fd, &st) == 0 && S_ISDIR(st.st_mode);
    *trees = (struct trees){.dir_fd = usable ? dir_fd : -1};
    if (!usable) {
        close_fd(dir_fd);
    }
}

struct tree *trees_take(struct trees *trees)
{
    if (trees->spare) {
        struct tree *tree = trees->spare;
        trees->spare = tree->next;
        trees->spare_count--;
        return tree;
    }
    auto_free struct tree *tree = trees->dir_fd >= 0 ? malloc(sizeof(*tree)) : NULL;
    if (!tree) {
        return NULL;
    }
    char name[32];
    *tree = (struct tree){.number = ++trees->last_number};
    tree_name(tree->number, name);
    if (mkdirat(trees->dir_fd, name, 0755) < 0) {
        return NULL;
    }
    tree->dir_fd = openat(trees->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (tree->dir_fd < 0) {
        unlinkat(trees->dir_fd, name, AT_REMOVEDIR);
        return NULL;
    }
    return take_pointer(&tree);
}

static bool is_populated(const struct tree *tree)
{
    char text[256];
    auto_close int fd = openat(tree->dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got < 0) {
        return true;
    }
    text[got] = '\0';
    return strstr(text, "populated 0") == NULL;
}

/* An empty tree becomes a spare one, or is removed when there are enough. One that was killed is always
 * removed: on newer kernels such a cgroup also kills what CLONE_INTO_CGROUP puts into it later. */
static void retire(struct trees *trees, struct tree *tree)
{
    if (!tree->killed && trees->spare_count < SPARE_MAX) {
        tree->next = trees->spare;
        trees->spare = tree;
        trees->spare_count++;
        return;
    }
    char name[32];
    tree_name(tree->number, name);
    close_fd(tree->dir_fd);
    unlinkat(trees->dir_fd, name, AT_REMOVEDIR);
    free(tree);
}

void trees_release(struct trees *trees, struct tree *tree)
{
    if (!tree) {
        return;
    }
    if (is_populated(tree)) {
        tree->next = trees->lingering;
        trees->lingering = tree;
        return;
    }
    retire(trees, tree);
}

void trees_sweep(struct trees *trees)
{
    struct tree **slot = &trees->lingering;
    struct tree *kept = NULL;
    struct tree **kept_end = &kept;
    for (int i = 0; i < SWEEP_MAX && *slot; i++) {
        struct tree *tree = *slot;
        *slot = tree->next;
        tree->next = NULL;
        if (is_populated(tree)) {
            *kept_end = tree;
            kept_end = &tree->next;
        } else {
            retire(trees, tree);
        }
    }
    /* What was looked at goes behind the rest, so that the next sweep looks at others. */
    while (*slot) {
        slot = &(*slot)->next;
    }
    *slot = kept;
}

static bool write_kill(const struct tree *tree)
{
    auto_close int fd = openat(tree->dir_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "1", 1) == 1;
}

/* Returns how many processes it found. */
static int signal_members(const struct tree *tree, int number)
{
    auto_fclose FILE *file = NULL;
    int fd = openat(tree->dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !(file = fdopen(fd, "r"))) {
        close_fd(fd);
    }
    int count = 0;
    int pid;
    while (file && fscanf(file, "%d", &pid) == 1) {
        if (pid > 1) {
            kill(pid, number);
            count++;
        }
    }
    return count;
}

struct process {
    pid_t pid, parent, group, session;
    bool doomed;
};

static bool read_process(const char *pid_text, struct process *ret_process)
{
    char path[64];
    char text[512];
    snprintf(path, sizeof(path), "/proc/%s/stat", pid_text);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got <= 0) {
        return false;
    }
    text[got] = '\0';
    const char *behind_name = strrchr(text, ')'); /* the name may hold anything, ')' too */
    char state;
    *ret_process = (struct process){.pid = (pid_t)strtol(pid_text, NULL, 10)};
    return behind_name && sscanf(behind_name + 1, " %c %d %d %d", &state, &ret_process->parent,
                                 &ret_process->group, &ret_process->session) == 4;
}

static size_t read_processes(struct process *processes)
{
    DIR *proc = opendir("/proc");
    size_t count = 0;
    struct dirent *entry;
    while (proc && count < PROCESSES_MAX && (entry = readdir(proc))) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_process(entry->d_name, &processes[count])) {
            count++;
        }
    }
    if (proc) {
        closedir(proc);
    }
    return count;
}

/* Marks everything in the leader's session and below marked processes; returns how many are new. */
static size_t mark(struct process *processes, size_t count, pid_t leader)
{
    size_t marked = 0;
    for (size_t i = 0; i < count; i++) {
        struct process *process = &processes[i];
        bool below = false;
        for (size_t j = 0; j < count && !below; j++) {
            below = processes[j].doomed && processes[j].pid == process->parent;
        }
        if (!process->doomed && process->pid > 1 &&
            (below || process->pid == leader || process->session == leader ||
             process->group == leader)) {
            process->doomed = true;
            marked++;
        }
    }
    return marked;
}

/* Returns how many processes it found. number 0 only counts them. */
static int signal_descendants(pid_t leader, int number)
{
    auto_free struct process *processes = calloc(PROCESSES_MAX, sizeof(*processes));
    if (!processes) {
        return 0;
    }
    size_t count = read_processes(processes);
    while (mark(processes, count, leader) > 0) {
    }
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        if (processes[i].doomed) {
            kill(processes[i].pid, number);
            found++;
        }
    }
    return found;
}

bool tree_is_empty(const struct tree *tree, pid_t leader)
{
    return tree ? !is_populated(tree) : signal_descendants(leader, 0) == 0;
}

void tree_signal(const struct tree *tree, pid_t leader, int number)
{
    int found = tree ? signal_members(tree, number) : 0;
    if (leader <= 1 || found > 0) {
        return;
    }
    if (!tree) {
        signal_descendants(leader, number);
    } else {
        kill(-leader, number); /* the cgroup was refused */
    }
}

void tree_kill(struct tree *tree, pid_t leader)
{
    if (tree) {
        tree->killed = true;
    }
    if (tree && !write_kill(tree)) {
        /* Kernels before 5.14 have no cgroup.kill. */
        for (int i = 0; i < KILL_ROUNDS_MAX && signal_members(tree, SIGKILL) > 0; i++) {
        }
    }
    if (leader <= 1) { /* kill(2) takes -1 for everybody */
        return;
    }
    if (!tree) {
        signal_descendants(leader, SIGKILL);
    }
    kill(-leader, SIGKILL);
    kill(leader, SIGKILL);
}
