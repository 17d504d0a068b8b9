/* The commands about snapshots: their options. */
#ifndef ATOLL_CLI_SNAPSHOT_H
#define ATOLL_CLI_SNAPSHOT_H

#include "cli/command.h"

extern const struct option_spec snapshot_options[];
extern const struct option_spec fork_options[];

int command_snapshot(const struct command *command, const struct arguments *arguments);
int command_fork(const struct command *command, const struct arguments *arguments);

#endif
