/* Terminals: a real one, several viewers, coming back to it, and its end. */
#include "check.h"
#include "isolate.h"
#include "session_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct reading reading;
static struct session session;
static struct error err;

static bool send_text(struct agent_call *call, const char *text)
{
    return session_send_input(call, text, strlen(text), &err) == 0;
}

static void stop_it(const char *id)
{
    CHECK_INT(session_stop(fixture()->socket_path, id, 5000, true, &session, &err), 0);
}

/* Starts one and follows it. */
static struct agent_call *open_terminal(const char *id, const char *script)
{
    memset(&reading, 0, sizeof(reading));
    return start_session(terminal_request(id, script)) == ERR_NONE ? follow_session(id) : NULL;
}

static void it_is_a_terminal_of_the_wanted_size(void)
{
    struct agent_call *call =
        open_terminal("size", "test -t 0 && test -t 1 && test -t 2 && stty size; "
                              "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done");
    REQUIRE(call);
    CHECK(read_until(call, "24 80", &reading));
    CHECK(read_until(call, "ready", &reading));
    CHECK_INT(session_send_resize(call, 50, 132, &err), 0);
    CHECK(read_until(call, "50 132", &reading));
    struct agent_call *other =
        session_read(fixture()->socket_path, "size", -1, true, 30, 100, &err);
    REQUIRE(other);
    CHECK(read_until(call, "30 100", &reading));
    agent_call_free(other);
    agent_call_free(call);
    stop_it("size");
}

static void keys_control_the_foreground(void)
{
    struct agent_call *call = open_terminal("keys", "cat; echo status $?");
    REQUIRE(call);
    CHECK(send_text(call, "typed\r"));
    CHECK(read_until(call, "typed\r\ntyped\r\n", &reading)); /* its echo, and cat's */
    CHECK(send_text(call, "\x04"));
    CHECK(read_until(call, "status 0", &reading));
    CHECK(!read_until(call, "never", &reading));
    CHECK(reading.exited);
    agent_call_free(call);
    call = open_terminal("interrupt", "echo ready; exec sleep 1000");
    REQUIRE(call);
    CHECK(read_until(call, "ready", &reading));
    CHECK(send_text(call, "\x03"));
    CHECK(!read_until(call, "never", &reading));
    CHECK_INT(reading.exit.signal, SIGINT);
    agent_call_free(call);
    stop_it("keys");
    stop_it("interrupt");
}

static void output_before_the_end_is_never_lost(void)
{
    for (int i = 0; i < 50; i++) {
        struct agent_call *call = open_terminal("last", "echo the last words; exit 7");
        REQUIRE(call);
        CHECK(!read_until(call, "never", &reading));
        CHECK_TEXT(reading.out, "the last words\r\n");
        CHECK_INT(reading.exit.exit_code, 7);
        agent_call_free(call);
        stop_it("last");
    }
}

static void coming_back_shows_what_was_there(void)
{
    struct agent_call *call = open_terminal("back", "echo first; cat");
    REQUIRE(call);
    CHECK(read_until(call, "first", &reading));
    agent_call_free(call);
    CHECK_INT(session_input(fixture()->socket_path, "back", "second\r", 7, false, &err), 0);
    memset(&reading, 0, sizeof(reading));
    call = follow_session("back");
    REQUIRE(call);
    CHECK(read_until(call, "second\r\nsecond\r\n", &reading));
    CHECK(strstr(reading.out, "first"));
    agent_call_free(call);
    stop_it("back");
}

static void scrollback_is_bounded(void)
{
    struct agent_call *call =
        open_terminal("flood", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end");
    REQUIRE(call);
    CHECK(!read_until(call, "never", &reading));
    agent_call_free(call);
    read_session("flood", -1, false, &reading);
    CHECK((long long)reading.out_length <= AGENT_SCROLLBACK_MAX_BYTES);
    CHECK((long long)reading.out_length >= AGENT_SCROLLBACK_MAX_BYTES / 4);
    CHECK_INT((long long)reading.out_length + reading.lost_bytes, reading.position);
    stop_it("flood");
}

static void a_flood_does_not_starve_others(void)
{
    struct outcome outcome;
    struct agent_call *call = open_terminal("yes", "exec yes");
    REQUIRE(call);
    CHECK(read_until(call, "y\r\n", &reading));
    for (int i = 0; i < 20; i++) {
        run_script("echo served", &outcome);
        CHECK_TEXT(outcome.out, "served\n");
    }
    CHECK(send_text(call, "\x03"));
    memset(&reading, 0, sizeof(reading));
    CHECK(!read_until(call, "never", &reading));
    CHECK_INT(reading.exit.signal, SIGINT);
    agent_call_free(call);
    stop_it("yes");
}

static void end_takes_the_whole_tree(void)
{
    struct agent_call *call =
        open_terminal("tree", "setsid sh -c 'trap \"\" HUP TERM; echo pid $$ .; exec sleep 1000' & "
                              "read line");
    REQUIRE(call);
    CHECK(read_until(call, " .", &reading));
    long pid = strtol(strstr(reading.out, "pid ") + 4, NULL, 10);
    CHECK(send_text(call, "\r"));
    CHECK(!read_until(call, "never", &reading));
    CHECK(reading.exited);
    if (fixture()->has_cgroup) {
        CHECK(wait_gone((pid_t)pid));
    } else {
        kill_process((pid_t)pid);
    }
    agent_call_free(call);
    stop_it("tree");
}

static void stop_hangs_up(void)
{
    struct agent_call *call =
        open_terminal("hang-up", "trap 'echo hung up; exit 9' HUP; trap '' TERM; echo ready; "
                                 "while :; do sleep 0.01; done");
    REQUIRE(call);
    CHECK(read_until(call, "ready", &reading));
    CHECK_INT(session_stop(fixture()->socket_path, "hang-up", 5000, false, &session, &err), 0);
    CHECK_INT(session.exit.exit_code, 9);
    CHECK(read_until(call, "hung up", &reading));
    agent_call_free(call);
    stop_it("hang-up");
}

static void deserted_terminal_ends(void)
{
    struct session_start *request =
        terminal_request("deserted", "echo $$ > deserted-pid; trap '' HUP; exec sleep 1000");
    char text[32] = "";
    request->detach_ms = 300;
    CHECK_INT(start_session(request), ERR_NONE);
    struct agent_call *call = follow_session("deserted");
    REQUIRE(call);
    while (!fixture_read(fixture_path("deserted-pid"), text, sizeof(text)) || !strchr(text, '\n')) {
        struct outcome outcome;
        run_script("sleep 0.01", &outcome);
    }
    agent_call_free(call);
    CHECK(wait_gone((pid_t)strtol(text, NULL, 10)));
    while (session_state("deserted") != 0) { /* ended, then forgotten */
        struct outcome outcome;
        run_script("sleep 0.01", &outcome);
    }
}

static void terminals_have_a_limit_of_their_own(void)
{
    struct session_start *request = terminal_request("limited", "sleep 1000");
    CHECK_INT(start_session(request), ERR_NONE);
    request->id = "limited-2";
    request->running_max = 1;
    CHECK_INT(start_session(request), ERR_TERMINAL_LIMIT);
    stop_it("limited");
}

static const struct check_case cases[] = {
    {"it is a terminal of the wanted size", it_is_a_terminal_of_the_wanted_size},
    {"keys control the foreground", keys_control_the_foreground},
    {"output before the end is never lost", output_before_the_end_is_never_lost},
    {"coming back shows what was there", coming_back_shows_what_was_there},
    {"scrollback is bounded", scrollback_is_bounded},
    {"a flood does not starve others", a_flood_does_not_starve_others},
    {"the end takes the whole tree", end_takes_the_whole_tree},
    {"stop hangs up", stop_hangs_up},
    {"a deserted terminal ends", deserted_terminal_ends},
    {"terminals have a limit of their own", terminals_have_a_limit_of_their_own},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
