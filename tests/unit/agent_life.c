/* How commands end: timeouts, cancellation, background processes, input and output under pressure. */
#include "agent_fixture.h"
#include "check.h"
#include "isolate.h"

#include "base/cleanup.h"
#include "wire/agent_protocol.h"
#include "wire/fields.h"
#include "wire/frame.h"

#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A grandchild in a session of its own whose parent is gone, as daemons do it; prints its pid. */
#define ORPHAN "setsid sh -c 'echo $$; exec sleep 1000' & "

static void timeout_kills_the_whole_tree(void)
{
    struct agent_call *call = start_script("( " ORPHAN " ); sleep 1000", 1500, false);
    REQUIRE(call);
    long orphan = read_number(call);
    CHECK(orphan > 1);
    struct outcome outcome;
    run_to_end(call, &outcome);
    CHECK_INT(outcome.err.code, ERR_NONE);
    CHECK(outcome.exit.timed_out);
    CHECK_INT(outcome.exit.exit_code, 137);
    CHECK_INT(outcome.exit.signal, 9);
    if (fixture()->has_cgroup) {
        CHECK(wait_gone((pid_t)orphan));
    }
    agent_call_free(call);
}

static void leaving_kills_the_whole_tree(void)
{
    struct agent_call *call = start_script("( " ORPHAN " ); sleep 1000", 0, false);
    REQUIRE(call);
    long orphan = read_number(call);
    CHECK(orphan > 1);
    agent_call_free(call);
    if (fixture()->has_cgroup) {
        CHECK(wait_gone((pid_t)orphan));
    }
}

static void half_close_is_leaving(void)
{
    struct agent_call *call = start_script("echo $$; exec sleep 1000", 0, true);
    REQUIRE(call);
    long pid = read_number(call);
    CHECK(shutdown(agent_call_fd(call), SHUT_WR) == 0);
    CHECK(wait_gone((pid_t)pid));
    agent_call_free(call);
}

static void background_process_does_not_hold_the_end(void)
{
    struct outcome outcome;
    run_script("sleep 1000 & echo done; exit 5", &outcome);
    CHECK_INT(outcome.err.code, ERR_NONE);
    CHECK_INT(outcome.exit.exit_code, 5);
    CHECK(strstr(outcome.out, "done"));
}

static void background_process_survives_a_normal_end(void)
{
    struct error err = {0};
    struct agent_call *call = start_script(ORPHAN "read line; exit 0", 0, true);
    REQUIRE(call);
    long orphan = read_number(call);
    CHECK_INT(agent_exec_stdin(call, "end\n", 4, &err), 0);
    struct outcome outcome;
    run_to_end(call, &outcome);
    CHECK_INT(outcome.exit.exit_code, 0);
    CHECK(orphan > 1 && kill((pid_t)orphan, 0) == 0);
    kill_process((pid_t)orphan);
    agent_call_free(call);
}

static void background_writer_does_not_die_of_a_closed_pipe(void)
{
    /* Writes more than a pipe holds after the command's end, then says so in a file. */
    char script[600];
    char text[16] = "";
    const char *go = fixture_path("go");
    const char *done = fixture_path("done");
    snprintf(script, sizeof(script),
             "mkfifo %s %s.fifo; (read x < %s; head -c 300000 /dev/zero; echo yes > %s; "
             "echo > %s.fifo) & exit 0",
             go, go, go, done, go);
    struct outcome outcome;
    run_script(script, &outcome);
    CHECK_INT(outcome.exit.exit_code, 0);
    snprintf(script, sizeof(script), "echo > %s; read x < %s.fifo; echo read", go, go);
    run_script(script, &outcome);
    CHECK_TEXT(outcome.out, "read\n");
    CHECK(fixture_read(done, text, sizeof(text)));
    CHECK_TEXT(text, "yes\n");
}

static void signals_reach_the_process_group(void)
{
    struct error err = {0};
    struct agent_call *call = start_script("sleep 1000 & echo $!; exec sleep 1000", 0, false);
    REQUIRE(call);
    long background = read_number(call);
    CHECK_INT(agent_exec_signal(call, SIGTERM, &err), 0);
    struct outcome outcome;
    run_to_end(call, &outcome);
    CHECK_INT(outcome.exit.signal, SIGTERM);
    CHECK_INT(outcome.exit.exit_code, 143);
    CHECK(wait_gone((pid_t)background));
    agent_call_free(call);
}

static void much_output_arrives_whole(void)
{
    enum { WANTED = 50 * 1000 * 1000 };
    struct outcome outcome;
    run_script("head -c 50000000 /dev/zero", &outcome);
    CHECK_INT(outcome.err.code, ERR_NONE);
    CHECK_INT((long long)outcome.out_length, WANTED);
    CHECK_INT(outcome.exit.exit_code, 0);
}

static void output_waits_for_a_slow_reader(void)
{
    struct agent_event event;
    struct error err = {0};
    struct outcome outcome;
    struct agent_call *call =
        start_script("head -c 50000000 /dev/zero; echo > done-writing", 0, false);
    REQUIRE(call);
    REQUIRE(agent_exec_next(call, -1, -1, &event, &err) == 1);
    /* Nobody reads: the command blocks, and nothing is lost. */
    while (event.type != AGENT_EVENT_STDOUT) {
        REQUIRE(agent_exec_next(call, -1, -1, &event, &err) == 1);
    }
    char text[8];
    run_script("sleep 0", &outcome); /* the agent serves others meanwhile */
    CHECK_INT(outcome.exit.exit_code, 0);
    CHECK(!fixture_read(fixture_path("done-writing"), text, sizeof(text)));
    run_to_end(call, &outcome);
    CHECK_INT(outcome.exit.exit_code, 0);
    CHECK_INT((long long)(outcome.out_length + event.bytes.length), 50000000);
    agent_call_free(call);
}

static void output_before_the_end_is_never_lost(void)
{
    for (int i = 0; i < 200; i++) {
        struct outcome outcome;
        run_script("echo a; echo b >&2", &outcome);
        CHECK_TEXT(outcome.out, "a\n");
        CHECK_TEXT(outcome.err_out, "b\n");
    }
}

struct feeder {
    struct agent_call *call;
    size_t length;
    int result;
};

static void *feed(void *argument)
{
    struct feeder *feeder = argument;
    struct error err = {0};
    char *bytes = calloc(1, feeder->length);
    feeder->result = bytes ? agent_exec_stdin(feeder->call, bytes, feeder->length, &err) : -1;
    if (feeder->result == 0) {
        feeder->result = agent_exec_stdin(feeder->call, NULL, 0, &err);
    }
    free(bytes);
    return NULL;
}

/* Feeds from a second thread while this one reads. */
static void feed_and_read(const char *script, size_t length, struct outcome *ret_outcome)
{
    struct feeder feeder = {start_script(script, 60000, true), length, -1};
    pthread_t thread;
    REQUIRE(feeder.call);
    REQUIRE(pthread_create(&thread, NULL, feed, &feeder) == 0);
    run_to_end(feeder.call, ret_outcome);
    pthread_join(thread, NULL);
    CHECK_INT(feeder.result, 0);
    agent_call_free(feeder.call);
}

static void much_input_comes_back(void)
{
    struct outcome outcome = {0};
    feed_and_read("cat", 20 * 1000 * 1000, &outcome);
    CHECK_INT((long long)outcome.out_length, 20 * 1000 * 1000);
    CHECK_INT(outcome.exit.exit_code, 0);
}

static void unread_input_does_not_hold_the_end(void)
{
    struct outcome outcome = {0};
    feed_and_read("exec 0<&-; echo closed", 5 * 1000 * 1000, &outcome);
    CHECK_TEXT(outcome.out, "closed\n");
    CHECK_INT(outcome.exit.exit_code, 0);
}

static void timeout_acts_while_input_is_blocked(void)
{
    struct feeder feeder = {start_script("echo 1; exec sleep 1000", 1000, true), 5 * 1000 * 1000,
                            -1};
    pthread_t thread;
    REQUIRE(feeder.call);
    REQUIRE(pthread_create(&thread, NULL, feed, &feeder) == 0);
    struct outcome outcome;
    run_to_end(feeder.call, &outcome);
    pthread_join(thread, NULL);
    CHECK(outcome.exit.timed_out);
    agent_call_free(feeder.call);
}

static void a_gone_client_cancels_the_wait(void)
{
    int ends[2];
    struct agent_event event;
    struct error err = {0};
    struct agent_call *call = start_script("echo 1; exec sleep 1000", 0, false);
    REQUIRE(call);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK_INT(read_number(call), 1);
    CHECK_INT(agent_exec_next(call, ends[0], 0, &event, &err), 0);
    close(ends[1]);
    CHECK_INT(agent_exec_next(call, ends[0], -1, &event, &err), -1);
    CHECK_INT(err.code, ERR_CANCELLED);
    close(ends[0]);
    agent_call_free(call);
}

static void many_commands_at_once(void)
{
    enum { COUNT = 100 };
    struct agent_call *calls[COUNT];
    for (int i = 0; i < COUNT; i++) {
        calls[i] = start_script("read x; echo $x", 0, true);
        REQUIRE(calls[i]);
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        struct outcome outcome;
        struct error err = {0};
        char line[16];
        char wanted[16];
        snprintf(line, sizeof(line), "%d\n", i);
        snprintf(wanted, sizeof(wanted), "%d\n", i);
        CHECK_INT(agent_exec_stdin(calls[i], line, strlen(line), &err), 0);
        run_to_end(calls[i], &outcome);
        CHECK_TEXT(outcome.out, wanted);
        agent_call_free(calls[i]);
    }
}

/* Asks for an IDENTITY with one field that is 1; the type of the final frame. */
static int identity_answer_type(enum agent_tag tag)
{
    unsigned char bytes[256];
    struct fields_writer head;
    struct frame_header header = {.type = AGENT_FRAME_HEAD};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture()->socket_path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fields_start(&head, bytes + FRAME_HEADER_BYTES, sizeof(bytes) - FRAME_HEADER_BYTES);
    fields_put_int(&head, AGENT_OPERATION, AGENT_OP_IDENTITY);
    fields_put_int(&head, tag, 1);
    header.length = (uint32_t)head.length;
    frame_header_encode(header, bytes);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                   write(fd, bytes, FRAME_HEADER_BYTES + head.length) > 0 &&
                   recv(fd, bytes, FRAME_HEADER_BYTES, MSG_WAITALL) == FRAME_HEADER_BYTES &&
                   frame_header_decode(bytes, &header) == 0
               ? header.type
               : -1;
}

static void after_a_restore_all_other_connections_are_gone(void)
{
    struct agent_call *call = start_script("echo $$; exec sleep 1000", 0, true);
    REQUIRE(call);
    long pid = read_number(call);
    CHECK(pid > 1);
    CHECK_INT(identity_answer_type(AGENT_RESTORED), AGENT_FRAME_DONE);
    CHECK(wait_gone((pid_t)pid));
    agent_call_free(call);
    struct outcome outcome;
    run_script("exit 3", &outcome);
    CHECK_INT(outcome.exit.exit_code, 3);
}

static void only_a_sandbox_is_given_an_identity(void)
{
    CHECK_INT(identity_answer_type(AGENT_NEW_IDENTITY), AGENT_FRAME_ERROR);
}

static void limits_cannot_be_lowered_by_root_inside(void)
{
    struct rlimit none = {0, 0};
    struct error err = {0};
    REQUIRE(agent_hello(fixture()->socket_path, 20000, &err) == 0);
    if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) == 1) {
        check_skip("this root has CAP_SYS_RESOURCE, which root in a sandbox lacks");
        return;
    }
    CHECK_INT(prlimit(fixture()->agent_pid, RLIMIT_NOFILE, &none, NULL), -1);
    CHECK_INT(errno, EPERM);
}

static const struct check_case cases[] = {
    {"a timeout kills the whole tree", timeout_kills_the_whole_tree},
    {"leaving kills the whole tree", leaving_kills_the_whole_tree},
    {"half-close is leaving", half_close_is_leaving},
    {"a background process does not hold the end", background_process_does_not_hold_the_end},
    {"a background process survives a normal end", background_process_survives_a_normal_end},
    {"a background writer does not die of a closed pipe",
     background_writer_does_not_die_of_a_closed_pipe},
    {"signals reach the process group", signals_reach_the_process_group},
    {"much output arrives whole", much_output_arrives_whole},
    {"output waits for a slow reader", output_waits_for_a_slow_reader},
    {"output before the end is never lost", output_before_the_end_is_never_lost},
    {"much input comes back", much_input_comes_back},
    {"unread input does not hold the end", unread_input_does_not_hold_the_end},
    {"a timeout acts while input is blocked", timeout_acts_while_input_is_blocked},
    {"a gone client cancels the wait", a_gone_client_cancels_the_wait},
    {"many commands at once", many_commands_at_once},
    {"after a restore all other connections are gone",
     after_a_restore_all_other_connections_are_gone},
    {"only a sandbox is given an identity", only_a_sandbox_is_given_an_identity},
    {"limits cannot be lowered by root inside", limits_cannot_be_lowered_by_root_inside},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
