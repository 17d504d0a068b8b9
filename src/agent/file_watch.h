/* Watching files: what AGENT_OP_FILE_WATCH does, in a thread for each watch. */
#ifndef ATOLL_AGENT_FILE_WATCH_H
#define ATOLL_AGENT_FILE_WATCH_H

#include "agent/worker.h"

/* Returns 0 and owns the job, or EMFILE (AGENT_WATCHES_MAX of them) or EAGAIN (no thread to be had). */
int file_watch_submit(struct job *job);

#endif
