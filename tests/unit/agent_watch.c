/* File watches and the list of ports of the agent, driven through agentclient. */
#include "agent_fixture.h"
#include "check.h"
#include "isolate.h"

#include "agentclient/watch.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum { WAIT_MS = 20 * 1000 };

static struct error err;
static char directory[128];

static const char *agent(void)
{
    return fixture()->socket_path;
}

/* An empty directory of the case's own, and a watch of it. */
static struct agent_call *start(const char *name, bool recursive)
{
    snprintf(directory, sizeof(directory), "%s", fixture_path(name));
    mkdir(directory, 0755);
    err = (struct error){0};
    return watch_start(agent(), directory, recursive, &err);
}

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
    return paths[turn];
}

static void make_file(const char *name)
{
    CHECK(fixture_write(path_of(name), "text"));
}

/* Changes as "c name", "m name", "d name", "r old>new", relative to the directory. */
static void describe(const struct watch_change *change, char *text, size_t size)
{
    static const char letters[] = "?cmdro";
    size_t skip = strlen(directory) + 1;
    const char *name = strlen(change->path) > skip ? change->path + skip : "";
    snprintf(text, size, "%c%s %s%s%s", letters[change->change], change->is_directory ? "/" : "",
             name, change->target[0] ? ">" : "", change->target[0] ? change->target + skip : "");
}

/* The next change must be that one. */
static void expect_at(const char *file, int line, struct agent_call *call, const char *wanted)
{
    struct watch_change change;
    char text[256] = "nothing";
    if (watch_next(call, -1, WAIT_MS, &change, &err) == 1) {
        describe(&change, text, sizeof(text));
    }
    check_text(text, wanted, "the change", file, line);
}

#define EXPECT(call, wanted) expect_at(__FILE__, __LINE__, call, wanted)

static void files_are_told_as_they_change(void)
{
    struct agent_call *call = start("plain", false);
    REQUIRE(call);
    make_file("a");
    EXPECT(call, "c a");
    EXPECT(call, "m a");
    chmod(path_of("a"), 0600);
    EXPECT(call, "m a");
    rename(path_of("a"), path_of("b"));
    EXPECT(call, "r a>b");
    unlink(path_of("b"));
    EXPECT(call, "d b");
    mkdir(path_of("sub"), 0755);
    EXPECT(call, "c/ sub");
    make_file("sub/unseen");
    make_file("end");
    EXPECT(call, "c end");
    agent_call_free(call);
}

static void new_directories_are_watched_with_what_they_hold(void)
{
    struct agent_call *call = start("deep", true);
    REQUIRE(call);
    mkdir(path_of("one"), 0755);
    EXPECT(call, "c/ one");
    make_file("one/a");
    EXPECT(call, "c one/a");
    EXPECT(call, "m one/a");
    rename(path_of("one"), path_of("two"));
    EXPECT(call, "r/ one>two");
    make_file("two/b");
    EXPECT(call, "c two/b");
    EXPECT(call, "m two/b");
    agent_call_free(call);
}

static void what_is_moved_in_is_new_and_what_is_moved_out_is_deleted(void)
{
    char inside[256], outside[256];
    struct agent_call *call = start("moves", true);
    REQUIRE(call);
    snprintf(outside, sizeof(outside), "%s-outside", directory);
    snprintf(inside, sizeof(inside), "%s", path_of("in"));
    char name[300];
    mkdir(outside, 0755);
    snprintf(name, sizeof(name), "%s/held", outside);
    CHECK(fixture_write(name, "x"));
    CHECK_INT(rename(outside, inside), 0);
    EXPECT(call, "c/ in");
    EXPECT(call, "c in/held");
    CHECK_INT(rename(inside, outside), 0);
    EXPECT(call, "d/ in");
    CHECK(fixture_write(name, "not told"));
    make_file("end");
    EXPECT(call, "c end");
    agent_call_free(call);
}

/* Each entry once, however creation and scan race. */
static void a_storm_of_directories_loses_and_doubles_nothing(void)
{
    enum { DIRECTORIES = 60 };
    struct outcome outcome;
    char script[512];
    int seen[DIRECTORIES][2] = {0};
    struct agent_call *call = start("storm", true);
    REQUIRE(call);
    snprintf(script, sizeof(script),
             "cd %s; for i in $(seq 0 %d); do mkdir -p d$i/x; : > d$i/x/f; done; : > last",
             directory, DIRECTORIES - 1);
    run_script(script, &outcome);
    CHECK_INT(outcome.exit.exit_code, 0);
    struct watch_change change;
    char text[256];
    bool more = true;
    while (more && watch_next(call, -1, WAIT_MS, &change, &err) == 1) {
        int number, length = 0;
        describe(&change, text, sizeof(text));
        more = strcmp(text, "c last") != 0;
        if (sscanf(text, "c/ d%d/x%n", &number, &length) == 1 && text[length] == '\0') {
            seen[number][0]++;
        } else if (sscanf(text, "c d%d/x/f%n", &number, &length) == 1 && length > 0) {
            seen[number][1]++;
        }
        CHECK(change.change != AGENT_CHANGE_OVERFLOW);
    }
    CHECK(!more);
    for (int i = 0; i < DIRECTORIES; i++) {
        CHECK_INT(seen[i][0], 1);
        CHECK_INT(seen[i][1], 1);
    }
    agent_call_free(call);
}

/* It writes beside the file and renames: nobody wants to know. */
static void what_the_agent_writes_is_one_change(void)
{
    struct agent_stat st;
    struct agent_call *call = start("own", true);
    REQUIRE(call);
    for (int turn = 0; turn < 2; turn++) {
        struct agent_call *writing = agent_write_start(agent(), path_of("file"), -1, &err);
        REQUIRE(writing);
        CHECK_INT(agent_write_data(writing, "x", 1, &err), 0);
        CHECK_INT(agent_write_finish(writing, &st, &err), 0);
        agent_call_free(writing);
        EXPECT(call, turn == 0 ? "c file" : "m file");
    }
    agent_call_free(call);
}

static void one_file_is_watched_although_it_is_replaced(void)
{
    struct agent_call *call = start("single", false);
    agent_call_free(call);
    make_file("it");
    char path[256];
    snprintf(path, sizeof(path), "%s", path_of("it"));
    call = watch_start(agent(), path, false, &err);
    REQUIRE(call);
    make_file("other");
    make_file("it");
    EXPECT(call, "m it");
    rename(path_of("other"), path);
    EXPECT(call, "m it");
    unlink(path);
    EXPECT(call, "d it");
    agent_call_free(call);
}

static void a_watch_ends_with_its_directory(void)
{
    struct watch_change change;
    struct agent_call *call = start("gone", true);
    REQUIRE(call);
    rmdir(directory);
    CHECK_INT(watch_next(call, -1, WAIT_MS, &change, &err), -1);
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
    agent_call_free(call);
    CHECK(!watch_start(agent(), directory, true, &err));
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
}

static void links_are_not_followed(void)
{
    struct agent_call *call = start("links", true);
    REQUIRE(call);
    CHECK_INT(symlink("/", path_of("link")), 0);
    EXPECT(call, "c link");
    make_file("end");
    EXPECT(call, "c end");
    agent_call_free(call);
}

/* Those that were just closed may still be on their way out. */
static struct agent_call *start_soon(void)
{
    int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
    struct agent_call *call;
    while (!(call = start("many", false)) && clock_monotonic_ms() < until_ms) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* polls a bounded time */
    }
    return call;
}

static void too_many_watches_are_refused(void)
{
    struct agent_call *calls[AGENT_WATCHES_MAX] = {NULL};
    for (int i = 0; i < AGENT_WATCHES_MAX; i++) {
        CHECK((calls[i] = start_soon()) != NULL);
    }
    CHECK(!start("many", false));
    CHECK_INT(err.code, ERR_WATCH_LIMIT);
    for (int i = 0; i < AGENT_WATCHES_MAX; i++) {
        agent_call_free(calls[i]);
    }
}

static void ports_are_listed_with_their_process(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    struct listening_port *ports = NULL;
    size_t count = 0;
    bool found = false;
    REQUIRE(agent_ports(agent(), &ports, &count, &err) == 0);
    for (size_t i = 0; i < count; i++) {
        if (ports[i].port == ntohs(address.sin_port)) {
            found = true;
            CHECK_TEXT(ports[i].address, "127.0.0.1");
            CHECK_INT(ports[i].pid, getpid());
            CHECK_TEXT(ports[i].name, "unit-agent_watc");
        }
        CHECK(i == 0 || ports[i - 1].port <= ports[i].port);
    }
    CHECK(found);
    free(ports);
}

static const struct check_case cases[] = {
    {"files are told as they change", files_are_told_as_they_change},
    {"new_directories_are_watched_with_what_they_hold",
     new_directories_are_watched_with_what_they_hold},
    {"what_is_moved_in_is_new_and_what_is_moved_out_is_deleted",
     what_is_moved_in_is_new_and_what_is_moved_out_is_deleted},
    {"a_storm_of_directories_loses_and_doubles_nothing",
     a_storm_of_directories_loses_and_doubles_nothing},
    {"what the agent writes is one change", what_the_agent_writes_is_one_change},
    {"one file is watched although it is replaced", one_file_is_watched_although_it_is_replaced},
    {"a watch ends with its directory", a_watch_ends_with_its_directory},
    {"links are not followed", links_are_not_followed},
    {"too many watches are refused", too_many_watches_are_refused},
    {"ports are listed with their process", ports_are_listed_with_their_process},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
