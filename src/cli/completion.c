/* Shell completion, made from the table of commands. */
#include "cli/arguments.h"

#include <stdio.h>
#include <string.h>

static void each_option(const struct command *command,
                        void (*print)(const struct command *, const struct option_spec *))
{
    for (const struct option_spec *option = command->options; option && option->name; option++) {
        print(command, option);
    }
    for (const struct option_spec *option = common_options; option->name; option++) {
        print(command, option);
    }
}

static void print_bash_option(const struct command *command, const struct option_spec *option)
{
    (void)command;
    printf(" --%s", option->name);
}

static void print_bash(void)
{
    printf("_atoll() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} options= words=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    for (const struct command *command = command_table; command->name; command++) {
        printf("%s ", command->name);
    }
    printf("\"\n    else\n        case ${COMP_WORDS[1]} in\n");
    for (const struct command *command = command_table; command->name; command++) {
        printf("        %s) options=\"", command->name);
        each_option(command, print_bash_option);
        printf("\"");
        if (command->operand == OPERAND_SANDBOX) {
            printf("; words=\"$(atoll ls --names 2>/dev/null)\"");
        } else if (command->operand == OPERAND_FILE) {
            printf("; words=\"$(atoll ls --names 2>/dev/null | sed 's|$|:/|')\"");
        } else if (command->words) {
            printf("; words=\"%s\"", command->words);
        }
        printf(" ;;\n");
    }
    printf("        esac\n    fi\n"
           "    case $current in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
           "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
           "    esac\n"
           "}\n"
           "complete -o default -F _atoll atoll\n");
}

/* zsh reads the bash function through its own compatibility layer. */
static void print_zsh(void)
{
    printf("#compdef atoll\nautoload -Uz bashcompinit && bashcompinit\n");
    print_bash();
}

static void print_fish_option(const struct command *command, const struct option_spec *option)
{
    printf("complete -c atoll -n '__fish_seen_subcommand_from %s' -l %s", command->name,
           option->name);
    if (option->letter) {
        printf(" -s %c", option->letter);
    }
    printf("%s -d '%s'\n", option->value ? " -r" : "", option->help);
}

static void print_fish(void)
{
    for (const struct command *command = command_table; command->name; command++) {
        printf("complete -c atoll -n __fish_use_subcommand -a %s -d '%s'\n", command->name,
               command->summary);
        if (command->operand == OPERAND_SANDBOX || command->operand == OPERAND_FILE) {
            printf("complete -c atoll -n '__fish_seen_subcommand_from %s' -a "
                   "'(atoll ls --names 2>/dev/null)'\n",
                   command->name);
        } else if (command->words) {
            printf("complete -c atoll -n '__fish_seen_subcommand_from %s' -f -a '%s'\n",
                   command->name, command->words);
        }
        each_option(command, print_fish_option);
    }
}

int command_completion(const struct command *command, const struct arguments *arguments)
{
    const char *shell = arguments->operands[0];
    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh();
    } else if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else {
        return usage_error(command, "no completion for '%s': use bash, zsh or fish", shell);
    }
    return EXIT_OK;
}
