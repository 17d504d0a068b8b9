#include "cli/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int usage_error(const struct command *command, const char *format, ...)
{
    fprintf(stderr, "atoll %s: ", command->name);
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\nhint: see 'atoll %s --help'\n", command->name);
    return EXIT_USAGE;
}

static const struct option_spec *find_long(const struct option_spec *specs, const char *name,
                                           size_t length)
{
    for (; specs && specs->name; specs++) {
        if (strlen(specs->name) == length && memcmp(specs->name, name, length) == 0) {
            return specs;
        }
    }
    return NULL;
}

static const struct option_spec *find_short(const struct option_spec *specs, char letter)
{
    for (; specs && specs->name; specs++) {
        if (specs->letter == letter) {
            return specs;
        }
    }
    return NULL;
}

static int add_option(const struct command *command, struct arguments *arguments,
                      const struct option_spec *spec, const char *value)
{
    if (arguments->option_count == ARGUMENTS_OPTIONS_MAX) {
        return usage_error(command, "more than %d options", ARGUMENTS_OPTIONS_MAX);
    }
    arguments->options[arguments->option_count++] = (struct parsed_option){spec, value};
    return EXIT_OK;
}

/* --name, --name=value or --name value; *index moves over a value taken from the next word. */
static int parse_long(const struct command *command, int argc, char **argv, int *index,
                      struct arguments *arguments)
{
    const char *name = argv[*index] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_spec *spec = find_long(command->options, name, length);
    if (!spec) {
        spec = find_long(common_options, name, length);
    }
    if (!spec) {
        return usage_error(command, "unknown option --%.*s", (int)length, name);
    }
    if (!spec->value) {
        return equals ? usage_error(command, "option --%s takes no value", spec->name)
                      : add_option(command, arguments, spec, NULL);
    }
    if (equals) {
        return add_option(command, arguments, spec, equals + 1);
    }
    if (*index + 1 >= argc) {
        return usage_error(command, "option --%s needs %s", spec->name, spec->value);
    }
    return add_option(command, arguments, spec, argv[++*index]);
}

/* -abc, -wVALUE or -w VALUE. */
static int parse_short(const struct command *command, int argc, char **argv, int *index,
                       struct arguments *arguments)
{
    for (const char *at = argv[*index] + 1; *at; at++) {
        const struct option_spec *spec = find_short(command->options, *at);
        if (!spec) {
            spec = find_short(common_options, *at);
        }
        if (!spec) {
            return usage_error(command, "unknown option -%c", *at);
        }
        const char *value = NULL;
        if (spec->value && at[1]) {
            value = at + 1;
        } else if (spec->value && *index + 1 < argc) {
            value = argv[++*index];
        } else if (spec->value) {
            return usage_error(command, "option -%c needs %s", *at, spec->value);
        }
        int code = add_option(command, arguments, spec, value);
        if (code != EXIT_OK || value) {
            return code;
        }
    }
    return EXIT_OK;
}

static int check_operands(const struct command *command, const struct arguments *arguments)
{
    if (arguments_has(arguments, "help")) {
        return EXIT_OK;
    }
    if (arguments->operand_count < command->operands_min) {
        return usage_error(command, "expected: %s", command->operands);
    }
    if (command->operands_max >= 0 && arguments->operand_count > command->operands_max) {
        return usage_error(command, "unexpected argument '%s'",
                           arguments->operands[command->operands_max]);
    }
    return EXIT_OK;
}

int arguments_parse(const struct command *command, int argc, char **argv,
                    struct arguments *ret_arguments)
{
    *ret_arguments = (struct arguments){.operands = argv + 1};
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        int code = EXIT_OK;
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
            code = parse_long(command, argc, argv, &i, ret_arguments);
        } else if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
            code = parse_short(command, argc, argv, &i, ret_arguments);
        } else {
            ret_arguments->operands[ret_arguments->operand_count++] = argv[i];
            only_operands |=
                command->options_end && ret_arguments->operand_count >= command->options_end;
        }
        if (code != EXIT_OK) {
            return code;
        }
    }
    return check_operands(command, ret_arguments);
}

const char *arguments_next(const struct arguments *arguments, const char *name, int *cursor)
{
    while (*cursor < arguments->option_count) {
        const struct parsed_option *option = &arguments->options[(*cursor)++];
        if (strcmp(option->spec->name, name) == 0) {
            return option->value ? option->value : "";
        }
    }
    return NULL;
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
    const char *last = NULL;
    int cursor = 0;
    const char *value;
    while ((value = arguments_next(arguments, name, &cursor))) {
        last = value;
    }
    return last;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
    return arguments_value(arguments, name) != NULL;
}

int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < min || number > max) {
        return -1;
    }
    *ret_number = number;
    return 0;
}

int duration_parse(const char *text, int64_t *ret_seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char digits[16];
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length >= sizeof digits) {
        return -1;
    }
    memcpy(digits, text, length);
    digits[length] = 0;
    int64_t factor = text[length] ? 0 : 1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text[length] == units[i].unit && !text[length + 1]) {
            factor = units[i].seconds;
        }
    }
    int64_t number;
    if (!factor || number_parse(digits, 1, INT32_MAX, &number)) {
        return -1;
    }
    *ret_seconds = number * factor;
    return 0;
}
