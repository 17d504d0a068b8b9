/* What the agent does to the kernel that it runs on when that is the sandbox's own: in a virtual machine. */
#ifndef ATOLL_AGENT_MACHINE_H
#define ATOLL_AGENT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says that this is a virtual machine, which may end at any moment with what was not flushed. Before any
 * thread is started. */
void machine_enter(void);

bool machine_is_own(void);

/* Credits the bytes to the random pool and has everything drawn from it from now on depend on them. 0, or -1
 * with errno. */
int machine_add_entropy(const void *bytes, size_t length);

/* Steps the clock to so many microseconds since 1970. 0, or -1 with errno. */
int machine_set_clock(int64_t time_us);

/* Lets the processes of the cgroup be so many, or as many as the kernel can have beside the agent. 0, or -1 with
 * errno. */
int machine_limit_processes(int cgroup_fd, int64_t limit);

/* In a virtual machine, flushes the file, or the directory's names; a directory's descriptor may be an O_PATH
 * one. Elsewhere nothing: the host's kernel lives on. 0, or -1 with errno. */
int machine_flush(int fd);

#endif
