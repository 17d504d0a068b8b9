/* Watching files and listing ports through the agent. */
#ifndef ATOLL_AGENTCLIENT_WATCH_H
#define ATOLL_AGENTCLIENT_WATCH_H

#include "agentclient/agentclient.h"

struct watch_change {
    enum agent_change change;
    char path[AGENT_PATH_MAX];
    char target[AGENT_PATH_MAX]; /* RENAMED: the new name */
    bool is_directory;
    int64_t size; /* -1 unknown */
};

/* Returns when the watch stands, so that nothing that happens later is missed. ERR_FILE_NOT_FOUND,
 * ERR_WATCH_LIMIT (agent_call_free ends a watch). */
struct agent_call *watch_start(const char *socket_path, const char *path, bool recursive,
                               struct error *err);

/* As agent_exec_next: 1, 0 when wait_ms passed, -1 (ERR_FILE_NOT_FOUND: the watched path itself is gone). */
int watch_next(struct agent_call *call, int cancel_fd, int64_t wait_ms,
               struct watch_change *ret_change, struct error *err);

struct listening_port {
    int port;
    char address[46];
    int64_t pid;    /* 0 unknown */
    char name[128]; /* of the process, "" unknown */
};

/* *ret_ports is the caller's to free(), sorted by port; a port that listens on several addresses is listed
 * once for each. */
int agent_ports(const char *socket_path, struct listening_port **ret_ports, size_t *ret_count,
                struct error *err);

#endif
