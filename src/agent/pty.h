/* Pseudo-terminals. */
#ifndef ATOLL_AGENT_PTY_H
#define ATOLL_AGENT_PTY_H

#include "agent/account.h"

/* Opens a terminal whose slave belongs to the account: the master, not blocking, and the slave. Both are the
 * caller's. 0, or -1 with errno. */
int pty_open(const struct account *account, int rows, int cols, int *ret_master, int *ret_slave);

/* Best effort; the kernel sends SIGWINCH. */
void pty_resize(int master_fd, int rows, int cols);

#endif
