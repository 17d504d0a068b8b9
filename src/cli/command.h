/* A command of the atoll program: one row of the table in main.c, from which help and shell
 * completion are made too. */
#ifndef ATOLL_CLI_COMMAND_H
#define ATOLL_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of the program, printed by `atoll --help`. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_API_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_UNREACHABLE = 4,
    EXIT_TIMED_OUT = 124,
    EXIT_SIGNAL_BASE = 128, /* plus the signal's number */
};

struct option_spec {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* what the value is called in the help; NULL: the option is a switch */
    const char *help;
};

struct arguments;

/* What a positional argument is, for completion. */
enum operand {
    OPERAND_NONE,
    OPERAND_SANDBOX, /* the first, or every one, is a sandbox */
    OPERAND_FILE,    /* local paths and SANDBOX:PATH */
    OPERAND_WORD,    /* one of `words` */
};

struct command {
    const char *name;
    const char *operands;              /* synopsis: "SANDBOX [SECONDS]" */
    const char *summary;               /* one line */
    const char *details;               /* further help, with examples */
    const struct option_spec *options; /* ends with a row without name; may be NULL */
    int operands_min;
    int operands_max; /* -1: any number */
    int options_end;  /* after so many operands dashes are no longer options; 0: never */
    enum operand operand;
    const char *words; /* OPERAND_WORD: space-separated */
    int (*run)(const struct command *command, const struct arguments *arguments);
};

/* Every command, ending with a row without name. */
extern const struct command command_table[];

/* Options that each command has beside its own; same end. */
extern const struct option_spec common_options[];

/* The commands, one function a row. Each returns the exit code. */
int command_create(const struct command *command, const struct arguments *arguments);
int command_run(const struct command *command, const struct arguments *arguments);
int command_exec(const struct command *command, const struct arguments *arguments);
int command_ps(const struct command *command, const struct arguments *arguments);
int command_events(const struct command *command, const struct arguments *arguments);
int command_logs(const struct command *command, const struct arguments *arguments);
int command_kill(const struct command *command, const struct arguments *arguments);
int command_service(const struct command *command, const struct arguments *arguments);
int command_shell(const struct command *command, const struct arguments *arguments);
int command_tunnel(const struct command *command, const struct arguments *arguments);
int command_copy(const struct command *command, const struct arguments *arguments);
int command_list(const struct command *command, const struct arguments *arguments);
int command_get(const struct command *command, const struct arguments *arguments);
int command_pause(const struct command *command, const struct arguments *arguments);
int command_resume(const struct command *command, const struct arguments *arguments);
int command_stop(const struct command *command, const struct arguments *arguments);
int command_extend(const struct command *command, const struct arguments *arguments);
int command_remove(const struct command *command, const struct arguments *arguments);
int command_engines(const struct command *command, const struct arguments *arguments);
int command_template(const struct command *command, const struct arguments *arguments);
int command_templates(const struct command *command, const struct arguments *arguments);
int command_key(const struct command *command, const struct arguments *arguments);
int command_health(const struct command *command, const struct arguments *arguments);
int command_url(const struct command *command, const struct arguments *arguments);
int command_completion(const struct command *command, const struct arguments *arguments);

#endif
