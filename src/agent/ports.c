#include "agent/ports.h"

#include "agent/port_table.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LISTENERS_MAX = 1024, FRAME_MAX = 512 };

struct listener {
    struct port_entry entry;
    int pid;
    char name[32];
};

struct listeners {
    struct listener *items; /* LISTENERS_MAX */
    size_t count;
};

static bool is_known(const struct listeners *listeners, const struct port_entry *entry)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct port_entry *known = &listeners->items[i].entry;
        if (known->port == entry->port && strcmp(known->address, entry->address) == 0) {
            return true; /* several may share it */
        }
    }
    return false;
}

/* A table that is not there (no IPv6) has no entries. */
static void read_table(struct listeners *listeners, const char *path, int family)
{
    auto_fclose FILE *table = fopen(path, "re");
    char line[512];
    while (table && fgets(line, sizeof(line), table) && listeners->count < LISTENERS_MAX) {
        struct port_entry entry;
        if (port_table_parse(line, family, &entry) && !is_known(listeners, &entry)) {
            listeners->items[listeners->count++] = (struct listener){.entry = entry};
        }
    }
}

/* --- whose they are, as far as that can be found out --- */

static void read_name(int pid, char *name, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file) {
        return;
    }
    if (fgets(name, (int)size, file)) {
        name[strcspn(name, "\n")] = '\0';
    }
    fclose(file);
}

static void match_socket(struct listeners *listeners, int pid, const char *link)
{
    unsigned long long inode;
    if (sscanf(link, "socket:[%20llu]", &inode) != 1) {
        return;
    }
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->items[i];
        if (listener->entry.inode == inode && listener->pid == 0) {
            listener->pid = pid;
            read_name(pid, listener->name, sizeof(listener->name));
        }
    }
}

static void look_at_process(struct listeners *listeners, int pid)
{
    char path[64], link[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);
        if (length > 0) {
            link[length] = '\0';
            match_socket(listeners, pid, link);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

static void find_processes(struct listeners *listeners, int fd)
{
    DIR *directory = listeners->count > 0 ? opendir("/proc") : NULL;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            look_at_process(listeners, (int)strtol(entry->d_name, NULL, 10));
            if (reply_cancelled(fd)) {
                break;
            }
        }
    }
    if (directory) {
        closedir(directory);
    }
}

static int compare(const void *left, const void *right)
{
    const struct listener *a = left, *b = right;
    return a->entry.port != b->entry.port ? (a->entry.port < b->entry.port ? -1 : 1)
                                          : strcmp(a->entry.address, b->entry.address);
}

static int send_listener(int fd, const struct listener *listener)
{
    unsigned char frame[FRAME_MAX];
    struct frame_writer writer;
    frame_start(&writer, frame, sizeof(frame));
    fields_put_int(&writer.fields, AGENT_PORT, listener->entry.port);
    fields_put_string(&writer.fields, AGENT_ADDRESS, listener->entry.address);
    if (listener->pid > 0) {
        fields_put_int(&writer.fields, AGENT_PID, listener->pid);
        fields_put_string(&writer.fields, AGENT_NAME, listener->name);
    }
    return reply_send(fd, frame, frame_finish(&writer, AGENT_FRAME_PORT));
}

int ports_list(const struct request *request, int fd, const char **ret_what)
{
    (void)request;
    *ret_what = "list ports";
    auto_free struct listener *items = calloc(LISTENERS_MAX, sizeof(*items));
    struct listeners listeners = {.items = items};
    if (!items) {
        return -1;
    }
    read_table(&listeners, "/proc/self/net/tcp", AF_INET);
    read_table(&listeners, "/proc/self/net/tcp6", AF_INET6);
    find_processes(&listeners, fd);
    qsort(items, listeners.count, sizeof(*items), compare);
    for (size_t i = 0; i < listeners.count; i++) {
        if (send_listener(fd, &items[i]) < 0) {
            return 0;
        }
    }
    reply_done(fd);
    return 0;
}
