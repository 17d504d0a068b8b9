/* File operations. Each runs in a worker thread, blocks as it likes and answers on its connection. */
#ifndef ATOLL_AGENT_FILE_H
#define ATOLL_AGENT_FILE_H

#include "agent/worker.h"

/* Does the job's operation and sends its final frame, unless the daemon has left. */
void file_operation(struct job *job);

/* The operations. Each returns 0 once it answered (or found the daemon gone), or -1 with errno and
 * *ret_what, the step that failed, for an ERROR frame. */
int file_write(const struct request *request, int fd, const char **ret_what);
int file_read(const struct request *request, int fd, const char **ret_what);
int file_list(const struct request *request, int fd, const char **ret_what);
int file_remove(const struct request *request, int fd, const char **ret_what);
int file_rename(const struct request *request, int fd, const char **ret_what);

#endif
