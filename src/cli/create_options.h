/* Options that make a sandbox, shared by `create` and `run`. */
#ifndef ATOLL_CLI_CREATE_OPTIONS_H
#define ATOLL_CLI_CREATE_OPTIONS_H

#include "cli/arguments.h"

#include <jansson.h>

/* Rows for a command's table of options. */
#define SHAPE_OPTION_ROWS                                                                          \
    {0, "engine", "KIND", "container, vm or auto, see 'atoll engines'"},                           \
        {0, "size", "SIZE", "xs, small, medium, large or xl"},                                     \
        {0, "cpu", "COUNT", "virtual CPUs"}, {'m', "memory", "MB", "memory in MiB"},               \
        {0, "disk", "MB", "disk in MiB"}, {0, "network", "KIND", "egress (default) or none"}

#define CREATE_OPTION_ROWS                                                                         \
    {0, "name", "NAME", "name to refer to it by"},                                                 \
        {'T', "template", "ID", "template, see 'atoll templates' (default miosa-sandbox)"},        \
        SHAPE_OPTION_ROWS,                                                                         \
    {                                                                                              \
        'e', "env", "KEY=VALUE", "environment variable (repeatable)"                               \
    }

/* Each fills body from those options. EXIT_OK or EXIT_USAGE. */
int create_shape_add(const struct command *command, const struct arguments *arguments,
                     json_t *body);
int create_options_add(const struct command *command, const struct arguments *arguments,
                       json_t *body);

#endif
