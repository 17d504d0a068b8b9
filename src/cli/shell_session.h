/* A terminal of a sandbox, shown in the terminal (or pipe) that the program runs in. */
#ifndef ATOLL_CLI_SHELL_SESSION_H
#define ATOLL_CLI_SHELL_SESSION_H

#include "cli/client.h"

/* From here on signals wait until shell_session_run takes them, so that none leaves the user's terminal raw or
 * a session without its viewer. Returns their signalfd, or -1 with err. */
int shell_signals_open(struct error *err);

/* Shows the terminal until it ends, is left, or is lost for a minute. *ret_exit_code: its command's, 0 when it
 * was left, 128 + n when signal n came. */
int shell_session_run(const struct client *client, const char *sandbox_id, const char *session_id,
                      int signal_fd, int *ret_exit_code, struct error *err);

#endif
