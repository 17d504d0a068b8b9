/* File operations of the agent, driven through agentclient. */
#include "agent_fixture.h"
#include "check.h"
#include "isolate.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct error err;

static const char *agent(void)
{
    return fixture()->socket_path;
}

/* Writes through the agent; returns the error's code. */
static enum error_code put(const char *path, const char *text, int64_t mode,
                           struct agent_stat *ret_stat)
{
    struct agent_stat st;
    err = (struct error){0};
    struct agent_call *call = agent_write_start(agent(), path, mode, &err);
    if (call && agent_write_data(call, text, strlen(text), &err) == 0) {
        agent_write_finish(call, ret_stat ? ret_stat : &st, &err);
    }
    agent_call_free(call);
    return err.code;
}

/* Reads at most size - 1 bytes through the agent; returns the error's code. */
static enum error_code get(const char *path, int64_t offset, int64_t length, char *text,
                           size_t size)
{
    struct agent_stat st;
    size_t used = 0;
    err = (struct error){0};
    struct agent_call *call = agent_read_start(agent(), path, offset, length, &st, &err);
    int64_t got = call ? 1 : 0;
    while (got > 0 && used < size - 1) {
        got = agent_read_data(call, text + used, size - 1 - used, &err);
        used += got > 0 ? (size_t)got : 0;
    }
    text[used] = '\0';
    agent_call_free(call);
    return err.code;
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory)) {
        count++;
    }
    if (directory) {
        closedir(directory);
    }
    return count - 2;
}

static void write_makes_parents_and_reads_back(void)
{
    char text[64];
    struct agent_stat st;
    CHECK_INT(put(fixture_path("w/x/y/file"), "hello", -1, &st), ERR_NONE);
    CHECK_INT(st.size, 5);
    CHECK_INT(st.mode, 0644);
    CHECK_TEXT(st.path, fixture_path("w/x/y/file"));
    CHECK_INT(st.type, AGENT_FILE_REGULAR);
    CHECK_INT(get(st.path, 0, -1, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "hello");
    CHECK_INT(put(fixture_path("w/empty"), "", 0600, &st), ERR_NONE);
    CHECK_INT(st.size, 0);
    CHECK_INT(st.mode, 0600);
    CHECK_INT(get(st.path, 0, -1, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "");
}

static void write_keeps_mode_and_owner(void)
{
    struct stat st;
    const char *path = fixture_path("kept");
    REQUIRE(fixture_write(path, "old"));
    REQUIRE(chmod(path, 0751) == 0);
    REQUIRE(geteuid() != 0 || chown(path, 1234, 5678) == 0);
    CHECK_INT(put(path, "new", -1, NULL), ERR_NONE);
    REQUIRE(stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0751);
    CHECK_INT(st.st_uid, geteuid() == 0 ? 1234 : geteuid());
    CHECK_INT(put(path, "new", 0640, NULL), ERR_NONE);
    REQUIRE(stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0640);
    CHECK_INT(st.st_uid, geteuid() == 0 ? 1234 : geteuid());
}

static void new_files_belong_to_their_directorys_owner(void)
{
    struct stat st;
    const char *home = fixture_path("home");
    REQUIRE(mkdir(home, 0755) == 0);
    if (chown(home, 1234, 5678) < 0) {
        check_skip("needs root");
        return;
    }
    CHECK_INT(put(fixture_path("home/a/b"), "x", -1, NULL), ERR_NONE);
    REQUIRE(stat(fixture_path("home/a"), &st) == 0);
    CHECK_INT(st.st_uid, 1234);
    REQUIRE(stat(fixture_path("home/a/b"), &st) == 0);
    CHECK_INT(st.st_uid, 1234);
    CHECK_INT(st.st_gid, 5678);
}

static void write_goes_through_links(void)
{
    char text[64];
    struct stat st;
    const char *link = fixture_path("link");
    REQUIRE(mkdir(fixture_path("linked"), 0755) == 0);
    REQUIRE(symlink("linked/target", link) == 0);
    CHECK_INT(put(link, "through", -1, NULL), ERR_NONE);
    CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(fixture_read(fixture_path("linked/target"), text, sizeof(text)));
    CHECK_TEXT(text, "through");
    REQUIRE(symlink("loop", fixture_path("loop")) == 0);
    CHECK_INT(put(fixture_path("loop"), "x", -1, NULL), ERR_VALIDATION);
}

static void write_refuses_what_is_no_file(void)
{
    REQUIRE(mkdir(fixture_path("directory"), 0755) == 0);
    REQUIRE(mkfifo(fixture_path("fifo"), 0644) == 0);
    CHECK_INT(put(fixture_path("directory"), "x", -1, NULL), ERR_IS_DIRECTORY);
    CHECK_INT(put(fixture_path("directory/"), "x", -1, NULL), ERR_IS_DIRECTORY);
    CHECK_INT(put("/", "x", -1, NULL), ERR_IS_DIRECTORY);
    CHECK_INT(put(fixture_path("fifo"), "x", -1, NULL), ERR_VALIDATION);
    CHECK_INT(put("/dev/null", "x", -1, NULL), ERR_VALIDATION);
    CHECK_INT(put("relative", "x", -1, NULL), ERR_VALIDATION);
    REQUIRE(fixture_write(fixture_path("plain"), "x"));
    CHECK_INT(put(fixture_path("plain/below"), "x", -1, NULL), ERR_NOT_DIRECTORY);
}

static void full_disk_is_told(void)
{
    static char chunk[256 * 1024];
    if (geteuid() != 0) {
        check_skip("needs root");
        return;
    }
    struct outcome outcome;
    run_script("mkdir small && mount -t tmpfs -o size=1m none small", &outcome);
    if (outcome.exit.exit_code != 0) {
        check_skip("cannot mount a tmpfs");
        return;
    }
    err = (struct error){0};
    struct agent_call *call = agent_write_start(agent(), fixture_path("small/file"), -1, &err);
    REQUIRE(call);
    int result = 0;
    for (int i = 0; i < 64 && result == 0; i++) {
        result = agent_write_data(call, chunk, sizeof(chunk), &err);
    }
    CHECK_INT(result, -1);
    CHECK_INT(err.code, ERR_DISK_FULL);
    agent_call_free(call);
    run_script("ls -A small; umount small", &outcome);
    CHECK_TEXT(outcome.out, "");
}

static void cancelled_write_leaves_nothing(void)
{
    static char chunk[1024 * 1024];
    char text[16];
    struct stat st;
    const char *directory = fixture_path("cancelled");
    REQUIRE(mkdir(directory, 0755) == 0);
    REQUIRE(fixture_write(fixture_path("cancelled/file"), "before"));
    struct agent_call *call = agent_write_start(agent(), fixture_path("cancelled/file"), -1, &err);
    REQUIRE(call);
    CHECK_INT(agent_write_data(call, chunk, sizeof(chunk), &err), 0);
    agent_call_free(call);
    /* The agent notices soon; asking it something else meanwhile paces the wait. */
    struct agent_stat entry;
    int64_t deadline_ms = clock_monotonic_ms() + 30 * 1000;
    while (count_entries(directory) != 1 && clock_monotonic_ms() < deadline_ms) {
        agent_stat(agent(), directory, true, &entry, &err);
    }
    CHECK_INT(count_entries(directory), 1);
    CHECK(fixture_read(fixture_path("cancelled/file"), text, sizeof(text)));
    CHECK_TEXT(text, "before");
    CHECK(stat(fixture_path("cancelled/file"), &st) == 0 && st.st_size == 6);
}

static void ranges_are_read(void)
{
    char text[64];
    const char *path = fixture_path("digits");
    REQUIRE(fixture_write(path, "0123456789"));
    CHECK_INT(get(path, 3, 4, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "3456");
    CHECK_INT(get(path, 8, 100, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "89");
    CHECK_INT(get(path, -3, -1, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "789");
    CHECK_INT(get(path, -100, 2, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "01");
    CHECK_INT(get(path, 100, -1, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "");
    CHECK_INT(get(path, 0, 0, text, sizeof(text)), ERR_NONE);
    CHECK_TEXT(text, "");
}

static void reading_never_hangs(void)
{
    char text[64];
    CHECK_INT(get(fixture_path("fifo"), 0, -1, text, sizeof(text)), ERR_VALIDATION);
    CHECK_INT(get("/dev/zero", 0, -1, text, sizeof(text)), ERR_VALIDATION);
    CHECK_INT(get(fixture()->directory, 0, -1, text, sizeof(text)), ERR_IS_DIRECTORY);
    CHECK_INT(get(fixture_path("missing"), 0, -1, text, sizeof(text)), ERR_FILE_NOT_FOUND);
    CHECK_INT(get(agent(), 0, -1, text, sizeof(text)), ERR_VALIDATION);
}

static void virtual_files_have_their_contents_size(void)
{
    struct agent_stat st;
    char text[4096];
    struct agent_call *call = agent_read_start(agent(), "/proc/self/stat", 0, -1, &st, &err);
    REQUIRE(call);
    CHECK(st.size > 0);
    CHECK_INT(agent_read_data(call, text, sizeof(text), &err), st.size);
    agent_call_free(call);
}

static bool fill(struct agent_call *call, char *chunk, size_t size, int count)
{
    for (int i = 0; i < count; i++) {
        memset(chunk, i, size);
        if (agent_write_data(call, chunk, size, &err) < 0) {
            return false;
        }
    }
    return true;
}

static void large_file_makes_the_round_trip(void)
{
    enum { CHUNK = 1000 * 1000, COUNT = 100 };
    auto_free char *chunk = malloc(CHUNK);
    struct agent_stat st;
    struct agent_call *call = agent_write_start(agent(), fixture_path("large"), -1, &err);
    REQUIRE(call && chunk);
    CHECK(fill(call, chunk, CHUNK, COUNT));
    REQUIRE(agent_write_finish(call, &st, &err) == 0);
    agent_call_free(call);
    CHECK_INT(st.size, (long long)CHUNK * COUNT);
    call = agent_read_start(agent(), fixture_path("large"), 0, -1, &st, &err);
    REQUIRE(call);
    int64_t total = 0;
    int64_t got;
    int64_t wrong = 0;
    while ((got = agent_read_data(call, chunk, CHUNK, &err)) > 0) {
        for (int64_t i = 0; i < got; i++) {
            wrong += chunk[i] != (char)((total + i) / CHUNK);
        }
        total += got;
    }
    CHECK_INT(got, 0);
    CHECK_INT(wrong, 0);
    CHECK_INT(total, (long long)CHUNK * COUNT);
    agent_call_free(call);
    CHECK_INT(agent_remove(agent(), fixture_path("large"), false, &err), 0);
}

struct names {
    char text[2048];
    int count;
    int stop_after;
};

static bool on_entry(const struct agent_stat *entry, void *context)
{
    struct names *names = context;
    size_t base = strlen(fixture()->directory);
    size_t used = strlen(names->text);
    snprintf(names->text + used, sizeof(names->text) - used, "%s%c ", entry->path + base,
             " fdlo"[entry->type]);
    return ++names->count != names->stop_after;
}

static void lists_have_depth_and_limit(void)
{
    struct names names = {.stop_after = -1};
    bool truncated = true;
    REQUIRE(mkdir(fixture_path("list"), 0755) == 0 && mkdir(fixture_path("list/d"), 0755) == 0);
    REQUIRE(mkdir(fixture_path("list/d/e"), 0755) == 0);
    REQUIRE(fixture_write(fixture_path("list/d/e/f"), "x"));
    CHECK_INT(agent_list(agent(), fixture_path("list"), 1, 100, on_entry, &names, &truncated, &err),
              0);
    CHECK_TEXT(names.text, "/list/dd ");
    CHECK(!truncated);
    names = (struct names){.stop_after = -1};
    CHECK_INT(
        agent_list(agent(), fixture_path("list/"), 3, 100, on_entry, &names, &truncated, &err), 0);
    CHECK_TEXT(names.text, "/list/dd /list/d/ed /list/d/e/ff ");
    names = (struct names){.stop_after = -1};
    CHECK_INT(agent_list(agent(), fixture_path("list"), 3, 2, on_entry, &names, &truncated, &err),
              0);
    CHECK_INT(names.count, 2);
    CHECK(truncated);
    names = (struct names){.stop_after = 1};
    CHECK_INT(agent_list(agent(), fixture_path("list"), 3, 100, on_entry, &names, &truncated, &err),
              0);
    CHECK_INT(names.count, 1);
    CHECK_INT(agent_list(agent(), "/proc/version", 1, 9, on_entry, &names, &truncated, &err), -1);
    CHECK_INT(err.code, ERR_NOT_DIRECTORY);
    CHECK_INT(agent_list(agent(), fixture_path("list"), 33, 9, on_entry, &names, &truncated, &err),
              -1);
    CHECK_INT(err.code, ERR_VALIDATION);
}

static void lists_do_not_follow_links(void)
{
    struct names names = {.stop_after = -1};
    bool truncated;
    REQUIRE(mkdir(fixture_path("cycle"), 0755) == 0 &&
            symlink("..", fixture_path("cycle/up")) == 0);
    CHECK_INT(
        agent_list(agent(), fixture_path("cycle"), 32, 100, on_entry, &names, &truncated, &err), 0);
    CHECK_TEXT(names.text, "/cycle/upl ");
}

static void stat_tells_everything(void)
{
    struct agent_stat st;
    struct stat real;
    const char *path = fixture_path("stat");
    REQUIRE(fixture_write(path, "12345") && symlink("stat", fixture_path("stat-link")) == 0);
    REQUIRE(stat(path, &real) == 0);
    CHECK_INT(agent_stat(agent(), path, true, &st, &err), 0);
    CHECK_INT(st.type, AGENT_FILE_REGULAR);
    CHECK_INT(st.size, 5);
    CHECK_INT(st.modified_ms, real.st_mtim.tv_sec * 1000LL + real.st_mtim.tv_nsec / 1000000);
    CHECK_INT(st.uid, geteuid());
    CHECK_TEXT(st.owner, geteuid() == 0 ? "root" : st.owner);
    CHECK_INT(agent_stat(agent(), fixture_path("stat-link"), true, &st, &err), 0);
    CHECK_INT(st.type, AGENT_FILE_REGULAR);
    CHECK_INT(agent_stat(agent(), fixture_path("stat-link"), false, &st, &err), 0);
    CHECK_INT(st.type, AGENT_FILE_SYMLINK);
    CHECK_TEXT(st.link_target, "stat");
    CHECK_INT(agent_stat(agent(), fixture_path("missing"), true, &st, &err), -1);
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
}

static void directories_are_made(void)
{
    struct agent_stat st;
    CHECK_INT(agent_mkdir(agent(), fixture_path("made"), 01777, false, &err), 0);
    CHECK_INT(agent_stat(agent(), fixture_path("made"), true, &st, &err), 0);
    CHECK_INT(st.mode, 01777);
    CHECK_INT(agent_mkdir(agent(), fixture_path("made"), -1, false, &err), -1);
    CHECK_INT(err.code, ERR_FILE_EXISTS);
    CHECK_INT(agent_mkdir(agent(), fixture_path("made"), -1, true, &err), 0);
    CHECK_INT(agent_mkdir(agent(), fixture_path("made/a/b"), -1, false, &err), -1);
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
    CHECK_INT(agent_mkdir(agent(), fixture_path("made/a/b/"), -1, true, &err), 0);
    CHECK_INT(agent_stat(agent(), fixture_path("made/a/b"), true, &st, &err), 0);
    CHECK_INT(st.mode, 0755);
    REQUIRE(fixture_write(fixture_path("made/file"), "x"));
    CHECK_INT(agent_mkdir(agent(), fixture_path("made/file"), -1, true, &err), -1);
    CHECK_INT(err.code, ERR_FILE_EXISTS);
}

static void files_are_renamed(void)
{
    char text[16];
    struct stat st;
    REQUIRE(fixture_write(fixture_path("from"), "moved"));
    CHECK_INT(agent_rename(agent(), fixture_path("from"), fixture_path("new/dir/to"), &err), 0);
    CHECK(fixture_read(fixture_path("new/dir/to"), text, sizeof(text)));
    CHECK_TEXT(text, "moved");
    CHECK(lstat(fixture_path("from"), &st) < 0);
    CHECK_INT(agent_rename(agent(), fixture_path("from"), fixture_path("other/to"), &err), -1);
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
    CHECK(lstat(fixture_path("other"), &st) < 0);
}

static void modes_are_changed(void)
{
    struct stat st;
    REQUIRE(fixture_write(fixture_path("mode"), "x"));
    CHECK_INT(agent_chmod(agent(), fixture_path("mode"), 04711, &err), 0);
    CHECK(stat(fixture_path("mode"), &st) == 0 && (st.st_mode & 07777) == 04711);
    CHECK_INT(agent_chmod(agent(), fixture_path("mode"), 010000, &err), -1);
    CHECK_INT(err.code, ERR_VALIDATION);
    CHECK_INT(agent_chmod(agent(), fixture_path("missing"), 0600, &err), -1);
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
}

static void trees_are_removed(void)
{
    struct stat st;
    struct outcome outcome;
    run_script(
        "mkdir -p rm/a/b rm/c; touch rm/a/b/f rm/c/g; ln -s ../digits rm/c/l; touch outside; "
        "ln -s .. rm/up",
        &outcome);
    CHECK_INT(agent_remove(agent(), fixture_path("rm"), false, &err), -1);
    CHECK_INT(err.code, ERR_NOT_EMPTY);
    CHECK_INT(agent_remove(agent(), fixture_path("rm/up"), true, &err), 0);
    CHECK(stat(fixture_path("outside"), &st) == 0);
    CHECK_INT(agent_remove(agent(), fixture_path("rm"), true, &err), 0);
    CHECK(lstat(fixture_path("rm"), &st) < 0);
    CHECK(stat(fixture_path("outside"), &st) == 0);
    CHECK_INT(agent_remove(agent(), fixture_path("rm"), true, &err), -1);
    CHECK_INT(err.code, ERR_FILE_NOT_FOUND);
    CHECK_INT(agent_remove(agent(), fixture_path("rm/.."), true, &err), -1);
    CHECK_INT(agent_remove(agent(), fixture_path("outside"), true, &err), 0);
}

static void deep_trees_are_removed(void)
{
    struct stat st;
    struct outcome outcome;
    run_script(
        "mkdir deep; cd deep; i=0; while [ $i -lt 1000 ]; do mkdir d; cd -P d; i=$((i+1)); done; "
        "touch f; echo made",
        &outcome);
    CHECK_TEXT(outcome.out, "made\n");
    CHECK_INT(agent_remove(agent(), fixture_path("deep"), true, &err), 0);
    CHECK(lstat(fixture_path("deep"), &st) < 0);
}

static void the_root_is_not_removed(void)
{
    /* Not recursive: should the check fail, the kernel still refuses. */
    CHECK_INT(agent_remove(agent(), "/", false, &err), -1);
    CHECK_INT(err.code, ERR_FORBIDDEN_PATH);
    CHECK_INT(agent_remove(agent(), "/proc", false, &err), -1);
    CHECK_INT(err.code, ERR_FORBIDDEN_PATH);
}

static void disk_is_flushed(void)
{
    CHECK_INT(agent_sync(agent(), &err), 0);
}

static void many_operations_at_once(void)
{
    enum { COUNT = 60 };
    struct agent_call *calls[COUNT];
    struct agent_stat st;
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "many/%d", i);
        calls[i] = agent_write_start(agent(), fixture_path(name), -1, &err);
        REQUIRE(calls[i] && agent_write_data(calls[i], "abc", 3, &err) == 0);
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(agent_write_finish(calls[i], &st, &err), 0);
        agent_call_free(calls[i]);
    }
    CHECK_INT(count_entries(fixture_path("many")), COUNT);
}

static void too_many_operations_are_refused(void)
{
    enum { COUNT = 80 };
    struct agent_call *calls[COUNT];
    struct agent_stat st;
    int busy = 0;
    int done = 0;
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "busy/%d", i);
        calls[i] = agent_write_start(agent(), fixture_path(name), -1, &err);
        REQUIRE(calls[i]);
    }
    /* Connections are taken in order: once this is answered, all heads were. */
    CHECK_INT(agent_hello(agent(), 20000, &err), 0);
    for (int i = 0; i < COUNT; i++) {
        if (agent_write_finish(calls[i], &st, &err) == 0) {
            done++;
        } else {
            busy += err.code == ERR_AGENT_BUSY;
        }
        agent_call_free(calls[i]);
    }
    CHECK_INT(done + busy, COUNT);
    CHECK(done > 0);
    CHECK(busy > 0);
}

static const struct check_case cases[] = {
    {"a write makes parents and reads back", write_makes_parents_and_reads_back},
    {"a write keeps mode and owner", write_keeps_mode_and_owner},
    {"new files belong to their directory's owner", new_files_belong_to_their_directorys_owner},
    {"a write goes through links", write_goes_through_links},
    {"a write refuses what is no file", write_refuses_what_is_no_file},
    {"a full disk is told", full_disk_is_told},
    {"a cancelled write leaves nothing", cancelled_write_leaves_nothing},
    {"ranges are read", ranges_are_read},
    {"reading never hangs", reading_never_hangs},
    {"virtual files have their content's size", virtual_files_have_their_contents_size},
    {"a large file makes the round trip", large_file_makes_the_round_trip},
    {"lists have depth and limit", lists_have_depth_and_limit},
    {"lists do not follow links", lists_do_not_follow_links},
    {"stat tells everything", stat_tells_everything},
    {"directories are made", directories_are_made},
    {"files are renamed", files_are_renamed},
    {"modes are changed", modes_are_changed},
    {"trees are removed", trees_are_removed},
    {"deep trees are removed", deep_trees_are_removed},
    {"the root is not removed", the_root_is_not_removed},
    {"the disk is flushed", disk_is_flushed},
    {"many operations at once", many_operations_at_once},
    {"too many operations are refused", too_many_operations_are_refused},
};

int main(int argc, char **argv)
{
    isolate_processes();
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
