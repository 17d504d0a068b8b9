/* EXEC: what a command is given, what comes back, and what may fail. */
#include "agent_fixture.h"
#include "check.h"
#include "isolate.h"

#include "base/cleanup.h"

#include <string.h>
#include <sys/stat.h>

static void output_and_exit_code_come_back(void)
{
    struct outcome outcome;
    run_script("echo out; echo err >&2; exit 3", &outcome);
    CHECK_INT(outcome.err.code, ERR_NONE);
    CHECK(outcome.started);
    CHECK_TEXT(outcome.out, "out\n");
    CHECK_TEXT(outcome.err_out, "err\n");
    CHECK_INT(outcome.exit.exit_code, 3);
    CHECK_INT(outcome.exit.signal, 0);
    CHECK(!outcome.exit.timed_out);
    CHECK(!outcome.exit.oom_killed);
    CHECK(outcome.exit.disk_free_bytes > 0);
    CHECK(outcome.exit.duration_us > 0);
}

static void signal_ends_as_128_and_number(void)
{
    struct outcome outcome;
    run_script("kill -TERM $$", &outcome);
    CHECK_INT(outcome.exit.exit_code, 143);
    CHECK_INT(outcome.exit.signal, 15);
}

static void only_standard_descriptors_are_open(void)
{
    struct outcome outcome;
    run_script("ls /proc/self/fd | tr '\\n' ' '", &outcome);
    CHECK_TEXT(outcome.out, "0 1 2 3 "); /* 3 is ls reading the directory */
}

static void stdin_is_empty_unless_opened(void)
{
    struct outcome outcome;
    run_script("cat; echo end", &outcome);
    CHECK_TEXT(outcome.out, "end\n");
}

static void session_umask_and_signals_are_fresh(void)
{
    struct outcome outcome;
    run_script(
        "umask; grep -E '^(SigBlk|SigIgn)' /proc/self/status; "
        "cut -d' ' -f5,6 /proc/self/stat | { read g s; [ \"$g\" = \"$s\" ] && echo leader; }",
        &outcome);
    CHECK_TEXT(outcome.out, "0022\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nleader\n");
}

static void clone3_is_refused(void)
{
    struct outcome outcome;
    run_script("grep -c '^Seccomp:.2' /proc/self/status", &outcome);
    CHECK_TEXT(outcome.out, "1\n");
}

static void account_completes_the_environment(void)
{
    const char *arguments[] = {"sh", "-c", "echo $HOME $USER $LOGNAME $A", NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", "USER=given", "A=b=c", NULL};
    struct agent_exec request = {.arguments = arguments, .environment = environment};
    struct outcome outcome;
    struct error err = {0};
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    REQUIRE(call);
    run_to_end(call, &outcome);
    CHECK_TEXT(outcome.out, "/root given root b=c\n");
    agent_call_free(call);
}

/* Runs and returns only how it failed. */
static struct error failure(const char *command, const char *cwd, const char *user)
{
    const char *arguments[] = {command, NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct agent_exec request = {
        .arguments = arguments, .environment = environment, .cwd = cwd, .user = user};
    struct outcome outcome = {0};
    struct error err = {0};
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    if (call) {
        run_to_end(call, &outcome);
        agent_call_free(call);
        return outcome.err;
    }
    return err;
}

static void starts_that_fail_say_why(void)
{
    struct error err = failure("no-such-command", NULL, NULL);
    CHECK_INT(err.code, ERR_COMMAND_NOT_FOUND);
    CHECK(strstr(err.message, "no-such-command"));
    CHECK_INT(failure("/no/such/command", NULL, NULL).code, ERR_COMMAND_NOT_FOUND);
    err = failure("/etc", NULL, NULL);
    CHECK_INT(err.code, ERR_COMMAND_START);
    CHECK_TEXT(err.field, "command");
    err = failure("true", "/no/such/directory", NULL);
    CHECK_INT(err.code, ERR_COMMAND_START);
    CHECK_TEXT(err.field, "cwd");
    err = failure("true", NULL, "nobody-like-this");
    CHECK_INT(err.code, ERR_COMMAND_START);
    CHECK_TEXT(err.field, "user");
    CHECK_INT(failure("", NULL, NULL).code, ERR_VALIDATION);
    CHECK_INT(failure("true", "relative", NULL).code, ERR_VALIDATION);
}

static void unexecutable_file_on_the_path_is_not_not_found(void)
{
    const char *arguments[] = {"plain", NULL};
    char path[300];
    snprintf(path, sizeof(path), "PATH=%s", fixture()->directory);
    const char *environment[] = {path, NULL};
    struct agent_exec request = {.arguments = arguments, .environment = environment};
    struct outcome outcome;
    struct error err = {0};
    REQUIRE(fixture_write(fixture_path("plain"), "text"));
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    REQUIRE(call);
    run_to_end(call, &outcome);
    CHECK_INT(outcome.err.code, ERR_COMMAND_START);
    agent_call_free(call);
}

static void script_without_interpreter_runs_in_sh(void)
{
    const char *arguments[] = {fixture_path("script"), "one", "two", NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct agent_exec request = {.arguments = arguments, .environment = environment};
    struct outcome outcome;
    struct error err = {0};
    REQUIRE(fixture_write(arguments[0], "echo $# $2\n"));
    REQUIRE(chmod(arguments[0], 0755) == 0);
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    REQUIRE(call);
    run_to_end(call, &outcome);
    CHECK_TEXT(outcome.out, "2 two\n");
    agent_call_free(call);
}

static void runs_as_another_user(void)
{
    if (geteuid() != 0) {
        check_skip("needs root");
        return;
    }
    const char *arguments[] = {"sh", "-c",
                               "id -u; id -g; id -G; pwd; grep CapEff /proc/self/status", NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct agent_exec request = {
        .arguments = arguments, .environment = environment, .user = "54321"};
    struct outcome outcome;
    struct error err = {0};
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    REQUIRE(call);
    run_to_end(call, &outcome);
    CHECK_TEXT(outcome.out, "54321\n54321\n54321\n/\nCapEff:\t0000000000000000\n");
    agent_call_free(call);
}

static void large_arguments_arrive(void)
{
    static char large[100001];
    memset(large, 'x', sizeof(large) - 1);
    const char *arguments[] = {"/bin/sh", "-c", "echo ${#1} ${#BIG}", "sh", large, NULL};
    static char variable[90005] = "BIG=";
    memset(variable + 4, 'y', sizeof(variable) - 5);
    const char *environment[] = {"PATH=/usr/bin:/bin", variable, NULL};
    struct agent_exec request = {.arguments = arguments, .environment = environment};
    struct outcome outcome;
    struct error err = {0};
    struct agent_call *call = agent_exec_start(fixture()->socket_path, &request, &err);
    REQUIRE(call);
    run_to_end(call, &outcome);
    CHECK_TEXT(outcome.out, "100000 90000\n");
    agent_call_free(call);
}

static void memory_kills_are_told(void)
{
    struct outcome outcome;
    char script[256];
    snprintf(script, sizeof(script), "echo 'oom_kill 8' > %s", fixture()->oom_path);
    run_script(script, &outcome);
    CHECK(outcome.exit.oom_killed);
    run_script("true", &outcome);
    CHECK(!outcome.exit.oom_killed);
}

static void hello_is_answered(void)
{
    struct error err = {0};
    CHECK_INT(agent_hello(fixture()->socket_path, 20000, &err), 0);
    CHECK_INT(agent_hello("/tmp/no-such-agent", 20000, &err), -1);
    CHECK_INT(err.code, ERR_AGENT_UNAVAILABLE);
}

static const struct check_case cases[] = {
    {"output and exit code come back", output_and_exit_code_come_back},
    {"a signal ends as 128 and its number", signal_ends_as_128_and_number},
    {"only standard descriptors are open", only_standard_descriptors_are_open},
    {"stdin is empty unless opened", stdin_is_empty_unless_opened},
    {"session, umask and signals are fresh", session_umask_and_signals_are_fresh},
    {"clone3 is refused", clone3_is_refused},
    {"the account completes the environment", account_completes_the_environment},
    {"starts that fail say why", starts_that_fail_say_why},
    {"a file that may not be executed is not 'not found'",
     unexecutable_file_on_the_path_is_not_not_found},
    {"a script without interpreter runs in sh", script_without_interpreter_runs_in_sh},
    {"runs as another user", runs_as_another_user},
    {"large arguments arrive", large_arguments_arrive},
    {"memory kills are told", memory_kills_are_told},
    {"hello is answered", hello_is_answered},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
