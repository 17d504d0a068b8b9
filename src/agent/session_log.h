/* The plain-text copy of a session's output and the file with its process id: files inside the sandbox
 * that the session's owner asked for. Best effort: what cannot be written is left out. */
#ifndef ATOLL_AGENT_SESSION_LOG_H
#define ATOLL_AGENT_SESSION_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct session_log {
    int fd;       /* -1: none */
    int64_t size; /* as far as this process knows */
};

/* Begins the file anew; path may be NULL: no copy. */
void session_log_open(struct session_log *log, const char *path);

void session_log_put(struct session_log *log, const void *bytes, size_t length);

void session_log_close(struct session_log *log);

/* Writes the number and a newline; path may be NULL. */
void session_write_pid(const char *path, pid_t pid);

#endif
