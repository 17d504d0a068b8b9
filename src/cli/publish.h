/* The commands about apps and what the gateway serves: their options, and what they share. */
#ifndef ATOLL_CLI_PUBLISH_H
#define ATOLL_CLI_PUBLISH_H

#include "cli/session.h"

extern const struct option_spec app_options[];
extern const struct option_spec preview_options[];
extern const struct option_spec deploy_options[];
extern const struct option_spec domain_options[];

int command_app(const struct command *command, const struct arguments *arguments);
int command_expose(const struct command *command, const struct arguments *arguments);
int command_preview(const struct command *command, const struct arguments *arguments);
int command_deploy(const struct command *command, const struct arguments *arguments);
int command_deployments(const struct command *command, const struct arguments *arguments);
int command_domain(const struct command *command, const struct arguments *arguments);

/* Adds the option as a whole number from 1 to max to body[member] when it was given. */
int add_count(const struct command *command, const struct arguments *arguments, const char *option,
              int64_t max, json_t *body, const char *member);

/* Sends and prints the reply's member (or, with --json or member NULL, all of it). Returns the exit code. */
int call_and_print(const struct arguments *arguments, struct client *client, const char *method,
                   const char *path, const json_t *body, const char *member);

/* As call_and_print, for /sandboxes/{id}{suffix} of the sandbox that reference names. */
int sandbox_call_and_print(const struct arguments *arguments, struct client *client,
                           const char *method, const char *reference, const char *suffix,
                           const json_t *body, const char *member);

/* Prints an array of objects as a table: members and headings end with NULL. Returns the exit code. */
int print_objects(const json_t *objects, const char *const *members, const char *const *headings);

#endif
