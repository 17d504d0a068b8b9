/* What 'atoll snapshot' does with the files and names of snapshots. Each returns the exit code. */
#ifndef ATOLL_CLI_SNAPSHOT_FILES_H
#define ATOLL_CLI_SNAPSHOT_FILES_H

#include "cli/command.h"
#include "cli/session.h"

/* tree ID [PATH] */
int snapshot_tree(const struct command *command, const struct arguments *arguments,
                  struct client *client);
/* get ID PATH [FILE] */
int snapshot_get(const struct command *command, const struct arguments *arguments,
                 struct client *client);
/* name NAME ID|SANDBOX */
int snapshot_name(const struct command *command, const struct arguments *arguments,
                  struct client *client);
/* names */
int snapshot_names(const struct command *command, const struct arguments *arguments,
                   struct client *client);
/* unname NAME... */
int snapshot_unname(const struct command *command, const struct arguments *arguments,
                    struct client *client);

#endif
