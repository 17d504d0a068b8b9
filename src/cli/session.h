/* What most commands share: a client, whether to print JSON, and the sandbox they are about. */
#ifndef ATOLL_CLI_SESSION_H
#define ATOLL_CLI_SESSION_H

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/output.h"

/* Calls method on /sandboxes/{id}{suffix} for the sandbox named by reference. */
int sandbox_call(struct client *client, const char *method, const char *reference,
                 const char *suffix, const json_t *body, json_t **ret_reply, struct error *err);

/* Adds each "KEY=VALUE" of a repeated option to body[member]. EXIT_OK or EXIT_USAGE. */
int add_pairs(const struct command *command, const struct arguments *arguments, const char *option,
              json_t *body, const char *member);

/* Adds a duration option to body[member] in seconds when it was given. EXIT_OK or EXIT_USAGE. */
int add_duration(const struct command *command, const struct arguments *arguments,
                 const char *option, json_t *body, const char *member);

/* Adds a text option to body[member] when it was given. */
void add_text(const struct arguments *arguments, const char *option, json_t *body,
              const char *member);

#endif
