/* Jobs: output that is kept and followed, input, signals, stopping, limits. */
#include "check.h"
#include "isolate.h"
#include "session_fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct reading reading;
static struct session session;
static struct error err;

static void output_is_kept_and_read_after_the_end(void)
{
    CHECK_INT(start_session(job_request("kept", "echo out; echo err >&2; exit 3")), ERR_NONE);
    read_session("kept", -1, true, &reading);
    CHECK(reading.exited && reading.caught_up);
    CHECK_INT(reading.exit.exit_code, 3);
    CHECK_INT((long long)reading.out_length, 8);
    CHECK_INT((long long)reading.stderr_length, 4);
    CHECK_INT(reading.position, 8);
    read_session("kept", -1, false, &reading);
    CHECK(!reading.exited);
    CHECK(strstr(reading.out, "out\n") && strstr(reading.out, "err\n"));
    read_session("kept", 8, false, &reading);
    CHECK_INT((long long)reading.out_length, 0);
    REQUIRE(session_get(fixture()->socket_path, "kept", &session, &err) == 0);
    CHECK_INT(session.state, AGENT_SESSION_ENDED);
    CHECK_INT(session.exit.exit_code, 3);
    CHECK_INT(session.position, 8);
    CHECK(session.started_ms > 0 && session.ended_ms >= session.started_ms);
    CHECK_TEXT(session.cwd, fixture()->directory);
}

static void reading_resumes_at_any_position(void)
{
    CHECK_INT(start_session(job_request("resume", "printf 0123456789")), ERR_NONE);
    read_session("resume", 0, true, &reading);
    CHECK_TEXT(reading.out, "0123456789");
    for (int from = 0; from <= 10; from++) {
        read_session("resume", from, true, &reading);
        CHECK_TEXT(reading.out, "0123456789" + from);
        CHECK_INT(reading.lost_bytes, 0);
        CHECK_INT(reading.position, 10);
    }
    read_session("resume", 1000000, true, &reading);
    CHECK_INT((long long)reading.out_length, 0);
}

static void old_output_goes_and_the_loss_is_told(void)
{
    CHECK_INT(start_session(job_request("much", "head -c 30000000 /dev/zero; echo the end")),
              ERR_NONE);
    read_session("much", -1, true, &reading);
    CHECK(reading.exited);
    read_session("much", -1, false, &reading);
    CHECK_INT((long long)reading.out_length + reading.lost_bytes, 30000008);
    CHECK((long long)reading.out_length <= AGENT_SPOOL_MAX_BYTES);
    CHECK((long long)reading.out_length >= AGENT_SPOOL_MAX_BYTES / 4);
    CHECK_INT(reading.position, 30000008);
    read_session("much", 30000000, false, &reading);
    CHECK_TEXT(reading.out, "the end\n");
    CHECK_INT(reading.lost_bytes, 0);
}

static void job_does_not_wait_for_a_slow_reader(void)
{
    CHECK_INT(start_session(job_request("slow", "head -c 30000000 /dev/zero; echo > slow-done; "
                                                "echo the end")),
              ERR_NONE);
    struct agent_call *call = follow_session("slow"); /* reads nothing until the job has ended */
    REQUIRE(call);
    read_session("slow", -1, true, &reading);
    memset(&reading, 0, sizeof(reading));
    CHECK(!read_until(call, "never", &reading));
    CHECK(reading.exited);
    CHECK_INT((long long)reading.out_length + reading.lost_bytes, 30000008);
    agent_call_free(call);
}

static void followers_get_output_as_it_comes(void)
{
    struct session_start *request = job_request("follow", "cat");
    request->open_stdin = true;
    CHECK_INT(start_session(request), ERR_NONE);
    struct agent_call *first = follow_session("follow");
    struct agent_call *second = follow_session("follow");
    static struct reading other;
    REQUIRE(first && second);
    memset(&reading, 0, sizeof(reading));
    memset(&other, 0, sizeof(other));
    CHECK_INT(session_send_input(first, "one\n", 4, &err), 0);
    CHECK(read_until(first, "one\n", &reading));
    CHECK(read_until(second, "one\n", &other));
    REQUIRE(session_get(fixture()->socket_path, "follow", &session, &err) == 0);
    CHECK_INT(session.viewers, 2);
    agent_call_free(first);
    CHECK_INT(session_input(fixture()->socket_path, "follow", "two\n", 4, true, &err), 0);
    CHECK(read_until(second, "two\n", &other));
    CHECK(!read_until(second, "never", &other));
    CHECK(other.exited);
    CHECK_INT(other.exit.exit_code, 0);
    agent_call_free(second);
    CHECK_INT(session_input(fixture()->socket_path, "follow", "x", 1, false, &err), -1);
    CHECK_INT(err.code, ERR_PROCESS_ENDED);
}

static void input_is_bounded(void)
{
    struct session_start *request = job_request("deaf", "exec sleep 1000");
    static char bytes[900 * 1024];
    request->open_stdin = true;
    CHECK_INT(start_session(request), ERR_NONE);
    CHECK_INT(session_input(fixture()->socket_path, "deaf", bytes, sizeof(bytes), false, &err), 0);
    CHECK_INT(session_input(fixture()->socket_path, "deaf", bytes, sizeof(bytes), false, &err), -1);
    CHECK_INT(err.code, ERR_AGENT_BUSY);
    CHECK_INT(session_stop(fixture()->socket_path, "deaf", 5000, true, &session, &err), 0);
    CHECK_INT(start_session(job_request("no-stdin", "exec sleep 1000")), ERR_NONE);
    CHECK_INT(session_input(fixture()->socket_path, "no-stdin", "x", 1, false, &err), -1);
    CHECK_INT(err.code, ERR_PROCESS_ENDED);
    CHECK_INT(session_stop(fixture()->socket_path, "no-stdin", 5000, true, &session, &err), 0);
}

static void much_input_passes_through(void)
{
    struct session_start *request = job_request("pass", "wc -c");
    static char bytes[700 * 1024];
    request->open_stdin = true;
    CHECK_INT(start_session(request), ERR_NONE);
    struct agent_call *call = follow_session("pass");
    REQUIRE(call);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(session_send_input(call, bytes, sizeof(bytes), &err), 0);
    }
    CHECK_INT(session_send_input(call, NULL, 0, &err), 0);
    memset(&reading, 0, sizeof(reading));
    CHECK(!read_until(call, "never", &reading));
    CHECK_TEXT(reading.out, "7168000\n");
    agent_call_free(call);
}

static void signals_reach_the_whole_tree(void)
{
    CHECK_INT(start_session(job_request("signal", "trap 'echo parent' USR1; "
                                                  "sh -c 'trap \"echo child\" USR1; echo ready; "
                                                  "while :; do sleep 0.01; done' & "
                                                  "while :; do wait; done")),
              ERR_NONE);
    struct agent_call *call = follow_session("signal");
    REQUIRE(call);
    memset(&reading, 0, sizeof(reading));
    CHECK(read_until(call, "ready", &reading));
    CHECK_INT(session_signal(fixture()->socket_path, "signal", SIGUSR1, &err), 0);
    CHECK(read_until(call, "parent", &reading));
    CHECK(read_until(call, "child", &reading));
    CHECK_INT(session_stop(fixture()->socket_path, "signal", 5000, false, &session, &err), 0);
    CHECK_INT(session.state, AGENT_SESSION_ENDED);
    CHECK_INT(session.exit.signal, SIGTERM);
    CHECK_INT(session_signal(fixture()->socket_path, "signal", SIGUSR1, &err), -1);
    CHECK_INT(err.code, ERR_PROCESS_ENDED);
    agent_call_free(call);
}

static void stop_kills_what_ignores_it_after_the_grace(void)
{
    CHECK_INT(start_session(job_request("stubborn", "trap '' TERM; setsid sh -c 'trap \"\" TERM; "
                                                    "echo $$; while :; do sleep 1000; done' & "
                                                    "while :; do sleep 1000; done")),
              ERR_NONE);
    struct agent_call *call = follow_session("stubborn");
    REQUIRE(call);
    memset(&reading, 0, sizeof(reading));
    CHECK(read_until(call, "\n", &reading));
    pid_t child = (pid_t)strtol(reading.out, NULL, 10);
    CHECK_INT(session_stop(fixture()->socket_path, "stubborn", 200, false, &session, &err), 0);
    CHECK_INT(session.exit.signal, SIGKILL);
    CHECK(child > 1 && kill(child, 0) < 0);
    agent_call_free(call);
}

static void stop_waits_for_children_that_survive_the_first(void)
{
    CHECK_INT(start_session(job_request("survivor", "(trap '' TERM; echo ready; sleep 1000; "
                                                    "sleep 1000) & exec sleep 1000")),
              ERR_NONE);
    struct agent_call *call = follow_session("survivor");
    REQUIRE(call);
    memset(&reading, 0, sizeof(reading));
    CHECK(read_until(call, "ready", &reading));
    CHECK_INT(session_stop(fixture()->socket_path, "survivor", 300, true, &session, &err), 0);
    CHECK_INT(session.exit.signal, SIGTERM);
    CHECK_INT(session_state("survivor"), 0);
    CHECK(!read_until(call, "never", &reading));
    CHECK(reading.exited); /* a follower of a forgotten session gets its end */
    agent_call_free(call);
}

static void stop_of_an_ended_one_answers_and_forgets(void)
{
    CHECK_INT(start_session(job_request("ended", "true")), ERR_NONE);
    read_session("ended", -1, true, &reading);
    CHECK_INT(session_stop(fixture()->socket_path, "ended", 5000, false, &session, &err), 0);
    CHECK_INT(session_state("ended"), AGENT_SESSION_ENDED);
    CHECK_INT(session_stop(fixture()->socket_path, "ended", 5000, true, &session, &err), 0);
    CHECK_INT(session_state("ended"), 0);
    CHECK_INT(session_stop(fixture()->socket_path, "ended", 5000, true, &session, &err), -1);
    CHECK_INT(err.code, ERR_PROCESS_NOT_FOUND);
    read_session("ended", -1, false, &reading);
    CHECK_INT(reading.err.code, ERR_PROCESS_NOT_FOUND);
}

static void background_children_do_not_delay_the_end(void)
{
    CHECK_INT(start_session(job_request("parent", "sleep 1000 & echo $!; exit 5")), ERR_NONE);
    read_session("parent", -1, true, &reading);
    CHECK(reading.exited);
    CHECK_INT(reading.exit.exit_code, 5);
    kill_process((pid_t)strtol(reading.out, NULL, 10));
}

static void timeout_ends_the_tree(void)
{
    struct session_start *request = job_request("late", "sleep 1000 & echo $!; wait");
    request->timeout_ms = 200;
    CHECK_INT(start_session(request), ERR_NONE);
    read_session("late", -1, true, &reading);
    CHECK(reading.exited && reading.exit.timed_out);
    CHECK(wait_gone((pid_t)strtol(reading.out, NULL, 10)));
}

static void time_of_a_pause_does_not_count(void)
{
    struct session_start *request = job_request("paused", "read line; exit 6");
    request->timeout_ms = 3000;
    request->open_stdin = true;
    CHECK_INT(start_session(request), ERR_NONE);
    REQUIRE(kill(fixture()->agent_pid, SIGSTOP) == 0);
    poll(NULL, 0, 4500); /* longer than its timeout, and what passes for load */
    REQUIRE(kill(fixture()->agent_pid, SIGCONT) == 0);
    CHECK_INT(session_input(fixture()->socket_path, "paused", "\n", 1, false, &err), 0);
    read_session("paused", -1, true, &reading);
    CHECK_INT(reading.exit.exit_code, 6);
    CHECK(!reading.exit.timed_out);
}

static void output_of_ended_ones_is_bounded_together(void)
{
    enum { JOBS = 15 };
    char id[32];
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "big-%d", i);
        CHECK_INT(start_session(job_request(id, "head -c 9000000 /dev/zero")), ERR_NONE);
        read_session(id, -1, true, &reading);
        CHECK(reading.exited);
    }
    read_session("big-0", -1, true, &reading);
    CHECK(reading.exited);
    CHECK_INT((long long)reading.out_length, 0);
    CHECK_INT(reading.lost_bytes, 9000000);
    read_session(id, -1, true, &reading);
    CHECK_INT((long long)reading.out_length, 9000000);
}

static void starts_that_fail_say_why_and_leave_nothing(void)
{
    static const char *const no_command[] = {"no-such-command", NULL};
    struct session_start *request = job_request("fails", "true");
    request->arguments = no_command;
    CHECK_INT(start_session(request), ERR_COMMAND_NOT_FOUND);
    request = job_request("fails", "true");
    request->user = "nobody-like-this";
    CHECK_INT(start_session(request), ERR_COMMAND_START);
    request = job_request("fails", "true");
    request->cwd = "/no/such/directory";
    CHECK_INT(start_session(request), ERR_COMMAND_START);
    request = job_request("with space", "true");
    CHECK_INT(start_session(request), ERR_VALIDATION);
    CHECK_INT(session_state("fails"), 0);
}

static void limits_and_names_hold(void)
{
    struct session_start *request = job_request("limit-1", "sleep 1000");
    request->name = "web";
    request->label = "a \"label\"\n";
    CHECK_INT(start_session(request), ERR_NONE);
    request->id = "limit-2";
    CHECK_INT(start_session(request), ERR_NAME_TAKEN);
    request->name = "other";
    request->running_max = 1;
    CHECK_INT(start_session(request), ERR_JOB_LIMIT);
    request->running_max = 0;
    request->id = "limit-1";
    CHECK_INT(start_session(request), ERR_NAME_TAKEN);
    REQUIRE(session_stop(fixture()->socket_path, "limit-1", 5000, false, &session, &err) == 0);
    CHECK_TEXT(session.label, "a \"label\"\n");
    CHECK_TEXT(session.name, "web");
    request->id = "limit-3";
    request->name = "web";
    request->running_max = 1;
    CHECK_INT(start_session(request), ERR_NONE);
    CHECK_INT(session_state("limit-1"), 0); /* a new one of that name stands for it */
    CHECK_INT(session_stop(fixture()->socket_path, "limit-3", 5000, true, &session, &err), 0);
}

static void list_is_complete_and_ended_ones_are_bounded(void)
{
    struct session *sessions;
    size_t count;
    char id[32];
    for (int i = 0; i < AGENT_SESSIONS_ENDED_MAX + 20; i++) {
        snprintf(id, sizeof(id), "many-%d", i);
        CHECK_INT(start_session(job_request(id, "exit 1")), ERR_NONE);
        read_session(id, -1, true, &reading);
        CHECK(reading.exited);
    }
    CHECK_INT(start_session(job_request("alive", "sleep 1000")), ERR_NONE);
    REQUIRE(session_list(fixture()->socket_path, 0, &sessions, &count, &err) == 0);
    CHECK_INT((long long)count, AGENT_SESSIONS_ENDED_MAX + 1);
    CHECK_TEXT(sessions[count - 1].id, "alive");
    CHECK_TEXT(sessions[count - 2].id, id);
    free(sessions);
    REQUIRE(session_list(fixture()->socket_path, AGENT_SESSION_TERMINAL, &sessions, &count, &err) ==
            0);
    CHECK_INT((long long)count, 0);
    free(sessions);
    CHECK_INT(session_stop(fixture()->socket_path, "alive", 5000, true, &session, &err), 0);
}

static void hundred_jobs_run_at_once(void)
{
    enum { JOBS = 100 };
    char id[32];
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "at-once-%d", i);
        CHECK_INT(start_session(job_request(id, "echo ready; exec sleep 1000")), ERR_NONE);
    }
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "at-once-%d", i);
        CHECK_INT(session_stop(fixture()->socket_path, id, 5000, true, &session, &err), 0);
    }
}

static const struct check_case cases[] = {
    {"output is kept and read after the end", output_is_kept_and_read_after_the_end},
    {"reading resumes at any position", reading_resumes_at_any_position},
    {"old output goes and the loss is told", old_output_goes_and_the_loss_is_told},
    {"a job does not wait for a slow reader", job_does_not_wait_for_a_slow_reader},
    {"followers get output as it comes", followers_get_output_as_it_comes},
    {"input is bounded", input_is_bounded},
    {"much input passes through", much_input_passes_through},
    {"signals reach the whole tree", signals_reach_the_whole_tree},
    {"stop kills what ignores it after the grace", stop_kills_what_ignores_it_after_the_grace},
    {"stop waits for children that survive the first",
     stop_waits_for_children_that_survive_the_first},
    {"stop of an ended one answers and forgets", stop_of_an_ended_one_answers_and_forgets},
    {"background children do not delay the end", background_children_do_not_delay_the_end},
    {"a timeout ends the tree", timeout_ends_the_tree},
    {"the time of a pause does not count", time_of_a_pause_does_not_count},
    {"output of ended ones is bounded together", output_of_ended_ones_is_bounded_together},
    {"starts that fail say why and leave nothing", starts_that_fail_say_why_and_leave_nothing},
    {"limits and names hold", limits_and_names_hold},
    {"the list is complete and ended ones are bounded",
     list_is_complete_and_ended_ones_are_bounded},
    {"a hundred jobs run at once", hundred_jobs_run_at_once},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
