/* Processes: forking helpers that die with their parent, identity, descriptors for them. */
#ifndef ATOLL_LINUX_PROCESS_H
#define ATOLL_LINUX_PROCESS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* fork(2) for a helper: in the child signals are as in a new process and the child is killed when
 * its parent ends. Returns as fork does. */
pid_t process_fork_helper(void);

/* The same, as first process of a new pid namespace. */
pid_t process_fork_first(void);

/* Undoes what the event loop did to signals; for children only. */
void process_reset_signals(void);

/* Closes every descriptor above 2 except those in keep (ascending order, -1 entries are ignored). */
void process_close_others(const int *keep, size_t keep_count);

/* The start time of pid in clock ticks since boot, which tells a pid from its reuse. 0 or -1 errno. */
int process_start_time(pid_t pid, uint64_t *ret_ticks);

/* pidfd_open(2), close-on-exec. */
int process_open(pid_t pid);

/* Sends a signal through a pidfd. 0 or -1 errno. */
int process_signal(int pidfd, int signal_number);

/* Runs a program found in the system's directories, waits for its end; input (may be NULL) is its
 * standard input. Blocks: for start-up and helpers only. 0, or -1 with err whose message holds the
 * first line that it wrote to standard error. */
int process_run(const char *const argv[], const char *input, struct error *err);

#endif
