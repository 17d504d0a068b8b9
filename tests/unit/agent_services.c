/* Jobs that are started again when they fail, and the files that copy what they say. */
#include "check.h"
#include "isolate.h"
#include "session_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct reading reading;
static struct session session;
static struct error err;

static void failed_one_is_started_again(void)
{
    struct session_start *request =
        job_request("again", "n=$(cat again-n 2>/dev/null || echo 0); echo $((n + 1)) > again-n; "
                             "echo run $n; test $n -ge 1 && exit 0; exit 3");
    request->restart = true;
    CHECK_INT(start_session(request), ERR_NONE);
    read_session("again", -1, true, &reading);
    CHECK(reading.exited);
    CHECK_INT(reading.exit.exit_code, 0);
    CHECK_TEXT(reading.out, "run 0\nrun 1\n");
    REQUIRE(session_get(fixture()->socket_path, "again", &session, &err) == 0);
    CHECK_INT(session.restarts, 1);
}

static void script_without_interpreter_is_started_again(void)
{
    static const char *arguments[] = {NULL, "argument", NULL};
    arguments[0] = fixture_path("service");
    REQUIRE(fixture_write(arguments[0], "echo \"$1\" >> service-runs; "
                                        "test $(wc -l < service-runs) -ge 2"));
    REQUIRE(chmod(arguments[0], 0755) == 0);
    struct session_start *request = job_request("bare", "service");
    char text[64];
    request->arguments = arguments;
    request->restart = true;
    CHECK_INT(start_session(request), ERR_NONE);
    read_session("bare", -1, true, &reading);
    CHECK_INT(reading.exit.exit_code, 0);
    CHECK(fixture_read(fixture_path("service-runs"), text, sizeof(text)));
    CHECK_TEXT(text, "argument\nargument\n");
}

static void input_goes_on_after_a_restart(void)
{
    static char bytes[600 * 1024];
    struct outcome outcome;
    struct session_start *request =
        job_request("fed", "test -e fed-again || { echo > fed-again; read x < fed-go; "
                           "kill -KILL $$; }; exec grep --line-buffered text");
    request->restart = true;
    request->open_stdin = true;
    run_script("mkfifo fed-go", &outcome);
    CHECK_INT(start_session(request), ERR_NONE);
    struct agent_call *call = follow_session("fed");
    REQUIRE(call);
    /* More than the agent keeps for a command that does not read: the rest waits in the socket. */
    memset(bytes, 'z', sizeof(bytes));
    CHECK_INT(session_send_input(call, bytes, sizeof(bytes), &err), 0);
    run_script("echo > fed-go", &outcome);
    do {
        run_script("sleep 0.01", &outcome);
        REQUIRE(session_get(fixture()->socket_path, "fed", &session, &err) == 0);
    } while (session.restarts == 0);
    CHECK_INT(session_send_input(call, "\ntext\n", 6, &err), 0);
    memset(&reading, 0, sizeof(reading));
    CHECK(read_until(call, "text", &reading));
    agent_call_free(call);
    CHECK_INT(session_stop(fixture()->socket_path, "fed", 5000, true, &session, &err), 0);
}

static void stop_ends_one_that_waits(void)
{
    struct session_start *request = job_request("waits", "exit 4");
    request->restart = true;
    CHECK_INT(start_session(request), ERR_NONE);
    while (session_state("waits") != AGENT_SESSION_WAITING) {
        struct outcome outcome;
        run_script("sleep 0.01", &outcome);
    }
    REQUIRE(session_get(fixture()->socket_path, "waits", &session, &err) == 0);
    CHECK_INT(session.exit.exit_code, 4);
    CHECK_INT(session_signal(fixture()->socket_path, "waits", SIGTERM, &err), -1);
    CHECK_INT(err.code, ERR_PROCESS_ENDED);
    CHECK_INT(session_stop(fixture()->socket_path, "waits", 5000, false, &session, &err), 0);
    CHECK_INT(session.state, AGENT_SESSION_ENDED);
    CHECK_INT(session.exit.exit_code, 4);
}

static void stopped_one_is_not_started_again(void)
{
    struct session_start *request = job_request("stopped", "echo ready; exec sleep 1000");
    request->restart = true;
    CHECK_INT(start_session(request), ERR_NONE);
    CHECK_INT(session_stop(fixture()->socket_path, "stopped", 5000, false, &session, &err), 0);
    CHECK_INT(session.state, AGENT_SESSION_ENDED);
    CHECK_INT(session.exit.signal, SIGTERM);
    CHECK_INT(session.restarts, 0);
}

static void children_of_a_failed_run_do_not_outlive_it(void)
{
    struct session_start *request =
        job_request("orphans", "setsid sleep 1000 > /dev/null 2>&1 & echo $!; exit 1");
    request->restart = true;
    CHECK_INT(start_session(request), ERR_NONE);
    struct agent_call *call = follow_session("orphans");
    REQUIRE(call);
    memset(&reading, 0, sizeof(reading));
    CHECK(read_until(call, "\n", &reading));
    CHECK(wait_gone((pid_t)strtol(reading.out, NULL, 10)));
    agent_call_free(call);
    CHECK_INT(session_stop(fixture()->socket_path, "orphans", 5000, true, &session, &err), 0);
}

static void log_and_pid_files_are_written(void)
{
    struct session_start *request = job_request("files", "echo out; echo err >&2; echo $$");
    static char path[2][300];
    static char text[2][300];
    snprintf(path[0], sizeof(path[0]), "%s", fixture_path("made/logs/app.log"));
    snprintf(path[1], sizeof(path[1]), "%s", fixture_path("app.pid"));
    request->log_path = path[0];
    request->pid_path = path[1];
    CHECK_INT(start_session(request), ERR_NONE);
    read_session("files", -1, true, &reading);
    CHECK(reading.exited);
    CHECK(fixture_read(path[0], text[0], sizeof(text[0])));
    CHECK_TEXT(text[0], reading.out);
    CHECK(fixture_read(path[1], text[1], sizeof(text[1])));
    CHECK(strlen(text[1]) > 1 && strstr(text[0], text[1]));
    REQUIRE(session_get(fixture()->socket_path, "files", &session, &err) == 0);
    CHECK_TEXT(session.log_path, path[0]);
}

static void log_is_cut_to_its_newer_half(void)
{
    struct session_start *request =
        job_request("long", "i=0; yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 14000000; "
                            "echo; echo the end");
    struct stat st;
    struct outcome outcome;
    static char path[300];
    snprintf(path, sizeof(path), "%s", fixture_path("long.log"));
    request->log_path = path;
    CHECK_INT(start_session(request), ERR_NONE);
    read_session("long", -1, true, &reading);
    CHECK(stat(path, &st) == 0);
    CHECK(st.st_size <= AGENT_LOG_MAX_BYTES && st.st_size > AGENT_LOG_MAX_BYTES / 4);
    run_script("head -n1 long.log; tail -n1 long.log", &outcome);
    CHECK_TEXT(outcome.out, "0123456789abcdefghijklmnopqrstuvwxyz\nthe end\n");
}

static void odd_log_paths_do_no_harm(void)
{
    static const char *const odd[] = {"/dev/null", "/dev", "/proc/self/fd/5", "/dev/null/x"};
    struct outcome outcome;
    run_script("mkfifo log-fifo", &outcome);
    for (size_t i = 0; i <= sizeof(odd) / sizeof(odd[0]); i++) {
        struct session_start *request = job_request("odd", "echo fine");
        request->log_path = i < sizeof(odd) / sizeof(odd[0]) ? odd[i] : fixture_path("log-fifo");
        request->pid_path = request->log_path;
        CHECK_INT(start_session(request), ERR_NONE);
        read_session("odd", -1, true, &reading);
        CHECK_TEXT(reading.out, "fine\n");
        CHECK_INT(session_stop(fixture()->socket_path, "odd", 5000, true, &session, &err), 0);
    }
    run_script("test -p log-fifo && test -c /dev/null && echo kept", &outcome);
    CHECK_TEXT(outcome.out, "kept\n");
}

static const struct check_case cases[] = {
    {"a failed one is started again", failed_one_is_started_again},
    {"a script without interpreter is started again", script_without_interpreter_is_started_again},
    {"input goes on after a restart", input_goes_on_after_a_restart},
    {"stop ends one that waits", stop_ends_one_that_waits},
    {"a stopped one is not started again", stopped_one_is_not_started_again},
    {"children of a failed run do not outlive it", children_of_a_failed_run_do_not_outlive_it},
    {"log and pid files are written", log_and_pid_files_are_written},
    {"a log is cut to its newer half", log_is_cut_to_its_newer_half},
    {"odd log paths do no harm", odd_log_paths_do_no_harm},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
