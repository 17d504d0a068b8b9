/* What the command line client parses: its arguments and server-sent events. */
#include "check.h"

#include "cli/arguments.h"
#include "cli/sse.h"

#include <stdio.h>
#include <string.h>

const struct option_spec common_options[] = {
    {0, "json", NULL, ""},
    {'h', "help", NULL, ""},
    {0, NULL, NULL, NULL},
};

static const struct option_spec options[] = {
    {'w', "cwd", "DIR", ""},
    {'n', "no-stdin", NULL, ""},
    {'e', "env", "KEY=VALUE", ""},
    {0, NULL, NULL, NULL},
};

static const struct command exec_like = {
    .name = "exec",
    .operands = "SANDBOX COMMAND",
    .options = options,
    .operands_min = 2,
    .operands_max = -1,
    .options_end = 2,
};

static const struct command one_operand = {
    .name = "get", .operands = "SANDBOX", .operands_min = 1, .operands_max = 1};

enum { WORDS_MAX = 16 };

static int parse(const struct command *command, const char *const *words, struct arguments *parsed)
{
    static char *argv[WORDS_MAX];
    int argc = 0;
    argv[argc++] = (char *)command->name;
    while (words[argc - 1]) {
        argv[argc] = (char *)words[argc - 1];
        argc++;
    }
    return arguments_parse(command, argc, argv, parsed);
}

#define PARSE(command, parsed, ...) parse(command, (const char *const[]){__VA_ARGS__, NULL}, parsed)

static void options_take_their_values_in_every_form(void)
{
    struct arguments parsed;
    CHECK_INT(
        PARSE(&exec_like, &parsed, "-nw/a", "--env=A=1", "-e", "B=2", "box", "--cwd", "/b", "ls"),
        EXIT_OK);
    CHECK(arguments_has(&parsed, "no-stdin"));
    CHECK_TEXT(arguments_value(&parsed, "cwd"), "/b");
    int cursor = 0;
    CHECK_TEXT(arguments_next(&parsed, "env", &cursor), "A=1");
    CHECK_TEXT(arguments_next(&parsed, "env", &cursor), "B=2");
    CHECK(!arguments_next(&parsed, "env", &cursor));
    CHECK_INT(parsed.operand_count, 2);
}

static void what_follows_the_command_is_its_own(void)
{
    struct arguments parsed;
    CHECK_INT(PARSE(&exec_like, &parsed, "box", "ls", "-n", "--cwd", "--"), EXIT_OK);
    CHECK_INT(parsed.option_count, 0);
    CHECK_INT(parsed.operand_count, 5);
    CHECK_TEXT(parsed.operands[4], "--");
    CHECK_INT(PARSE(&exec_like, &parsed, "box", "--", "-n", "--"), EXIT_OK);
    CHECK_INT(parsed.operand_count, 3);
}

static void wrong_usage_is_refused(void)
{
    struct arguments parsed;
    CHECK_INT(PARSE(&exec_like, &parsed, "box"), EXIT_USAGE);
    CHECK_INT(PARSE(&exec_like, &parsed, "--cwd"), EXIT_USAGE);
    CHECK_INT(PARSE(&exec_like, &parsed, "--no-stdin=1", "box", "ls"), EXIT_USAGE);
    CHECK_INT(PARSE(&exec_like, &parsed, "--nothing", "box", "ls"), EXIT_USAGE);
    CHECK_INT(PARSE(&exec_like, &parsed, "-x", "box", "ls"), EXIT_USAGE);
    CHECK_INT(PARSE(&one_operand, &parsed, "a", "b"), EXIT_USAGE);
    CHECK_INT(PARSE(&one_operand, &parsed, "--help"), EXIT_OK);
}

static void too_many_options_are_refused(void)
{
    char *argv[ARGUMENTS_OPTIONS_MAX + 2] = {(char *)"exec"};
    for (int i = 1; i < ARGUMENTS_OPTIONS_MAX + 2; i++) {
        argv[i] = (char *)"-n";
    }
    struct arguments parsed;
    CHECK_INT(arguments_parse(&exec_like, ARGUMENTS_OPTIONS_MAX + 2, argv, &parsed), EXIT_USAGE);
}

static void durations_have_units(void)
{
    int64_t seconds = 0;
    CHECK(duration_parse("90", &seconds) == 0 && seconds == 90);
    CHECK(duration_parse("90s", &seconds) == 0 && seconds == 90);
    CHECK(duration_parse("15m", &seconds) == 0 && seconds == 900);
    CHECK(duration_parse("2h", &seconds) == 0 && seconds == 7200);
    CHECK(duration_parse("1d", &seconds) == 0 && seconds == 86400);
    static const char *const wrong[] = {"",   "0",   "m",   "-1",
                                        "1x", "1 m", "1mm", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(duration_parse(wrong[i], &seconds) == -1);
    }
}

struct seen {
    char text[256];
    int stop_after;
};

static int note_event(const char *name, const char *data, size_t length, void *context)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "[%s:%.*s]", name, (int)length, data);
    return --seen->stop_after == 0 ? -1 : 0;
}

static const char events[] = ": keepalive\n\n"
                             "event: stdout\r\ndata: one\r\n\r\n"
                             "data:two\ndata: lines\nid: 7\n\n"
                             "event: empty\n\n"
                             "event: exit\ndata:  {}\n\n"
                             "data: unfinished\n";

static void events_are_the_same_however_they_arrive(void)
{
    for (size_t step = 1; step < sizeof events; step++) {
        struct seen seen = {0};
        struct sse_reader reader;
        sse_init(&reader, note_event, &seen);
        for (size_t at = 0; at < sizeof events - 1; at += step) {
            size_t left = sizeof events - 1 - at;
            CHECK_INT(sse_feed(&reader, events + at, left < step ? left : step), 0);
        }
        CHECK_TEXT(seen.text, "[stdout:one][message:two\nlines][exit: {}]");
        sse_free(&reader);
    }
}

static void a_handler_can_stop_the_events(void)
{
    struct seen seen = {.stop_after = 1};
    struct sse_reader reader;
    sse_init(&reader, note_event, &seen);
    CHECK_INT(sse_feed(&reader, events, sizeof events - 1), -1);
    CHECK_TEXT(seen.text, "[stdout:one]");
    sse_free(&reader);
}

static const struct check_case cases[] = {
    {"options take their values in every form", options_take_their_values_in_every_form},
    {"what follows the command is its own", what_follows_the_command_is_its_own},
    {"wrong usage is refused", wrong_usage_is_refused},
    {"too many options are refused", too_many_options_are_refused},
    {"durations have units", durations_have_units},
    {"events are the same however they arrive", events_are_the_same_however_they_arrive},
    {"a handler can stop the events", a_handler_can_stop_the_events},
};

CHECK_MAIN(cases)
