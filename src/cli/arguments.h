/* Command line of one command, parsed by its table of options. */
#ifndef ATOLL_CLI_ARGUMENTS_H
#define ATOLL_CLI_ARGUMENTS_H

#include "cli/command.h"

#include <stdint.h>

enum { ARGUMENTS_OPTIONS_MAX = 256 };

struct parsed_option {
    const struct option_spec *spec;
    const char *value; /* borrowed from argv; NULL for a switch */
};

struct arguments {
    struct parsed_option options[ARGUMENTS_OPTIONS_MAX];
    int option_count;
    char **operands; /* the caller's argv, reordered: operands only */
    int operand_count;
};

/* Parses argv[1..argc). Prints what is wrong and returns EXIT_USAGE, or EXIT_OK. */
int arguments_parse(const struct command *command, int argc, char **argv,
                    struct arguments *ret_arguments);

/* Was the option given? */
bool arguments_has(const struct arguments *arguments, const char *name);

/* The value given last, or NULL. */
const char *arguments_value(const struct arguments *arguments, const char *name);

/* The next value of a repeatable option: start with *cursor = 0; NULL after the last. */
const char *arguments_next(const struct arguments *arguments, const char *name, int *cursor);

/* "90", "90s", "15m", "2h", "1d" in seconds. 0, or -1 when text is none of these or not positive.
 */
int duration_parse(const char *text, int64_t *ret_seconds);

/* A whole number in [min, max]. 0 or -1. */
int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_number);

/* Prints "atoll NAME: message" and where help is; returns EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
