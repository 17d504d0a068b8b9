/* An agent with few descriptors: it refuses what it cannot do, says so, and recovers. */
#include "agent_fixture.h"
#include "check.h"
#include "isolate.h"

#include <stdlib.h>

enum { COUNT = 60 };

static bool is_refusal(enum error_code code)
{
    return code == ERR_COMMAND_START || code == ERR_AGENT_BUSY;
}

static void commands_are_refused_not_lost(void)
{
    struct agent_call *calls[COUNT];
    struct error err = {0};
    int refused = 0;
    int done = 0;
    for (int i = 0; i < COUNT; i++) {
        calls[i] = start_script("read x; echo $x", 0, true);
        REQUIRE(calls[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        struct outcome outcome;
        CHECK_INT(agent_exec_stdin(calls[i], "hi\n", 3, &err), 0);
        run_to_end(calls[i], &outcome);
        if (outcome.err.code == ERR_NONE) {
            CHECK_TEXT(outcome.out, "hi\n");
            done++;
        } else {
            CHECK(is_refusal(outcome.err.code));
            refused++;
        }
        agent_call_free(calls[i]);
    }
    CHECK(done > 0);
    CHECK(refused > 0);
}

static void everything_works_again(void)
{
    struct agent_stat st;
    struct error err = {0};
    struct outcome outcome;
    for (int i = 0; i < COUNT; i++) {
        run_script("echo hi", &outcome);
        CHECK_TEXT(outcome.out, "hi\n");
        CHECK_INT(agent_stat(fixture()->socket_path, "/", true, &st, &err), 0);
    }
}

static const struct check_case cases[] = {
    {"commands are refused, not lost", commands_are_refused_not_lost},
    {"everything works again", everything_works_again},
};

int main(int argc, char **argv)
{
    isolate_processes();
    setenv("ATOLL_TEST_DESCRIPTORS", "40", 1);
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
