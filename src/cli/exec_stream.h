/* A command in a sandbox whose output, input and signals travel while it runs. */
#ifndef ATOLL_CLI_EXEC_STREAM_H
#define ATOLL_CLI_EXEC_STREAM_H

#include "cli/client.h"

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT wait until exec_stream forwards them to the
 * command. Returns their signalfd, or -1 with err. */
int exec_signals_open(struct error *err);

/* Runs what body describes (the fields of POST …/exec/stream), copying output to descriptors 1 and
 * 2 and, with forward_stdin, descriptor 0 to the command. *ret_exit_code is the command's code, 124
 * when it ran out of time, 130 and the like when a signal came before it started or the third
 * interrupt gave it up. Adds members to body. */
int exec_stream(struct client *client, const char *sandbox_id, json_t *body, bool forward_stdin,
                int signal_fd, int *ret_exit_code, struct error *err);

#endif
