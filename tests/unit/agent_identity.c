#include "agent/identity.h"

#include "check.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/atoll-unit-identity-XXXXXX";

static const char *in_directory(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void check_file(const char *name, const char *wanted)
{
    auto_free char *text = NULL;
    struct stat st;
    CHECK(read_file_at(AT_FDCWD, in_directory(name), 4096, &text) >= 0);
    CHECK_TEXT(text, wanted);
    CHECK(lstat(in_directory(name), &st) == 0 && S_ISREG(st.st_mode) &&
          (st.st_mode & 07777) == 0644);
}

static void files_are_written(void)
{
    identity_write(directory, "box", "10.1.2.3", "1.1.1.1,9.9.9.9");
    check_file("hostname", "box\n");
    check_file("hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
                        "10.1.2.3\tbox\n");
    check_file("resolv.conf", "nameserver 1.1.1.1\nnameserver 9.9.9.9\n");
    identity_write(directory, "box2", NULL, "");
    check_file("hostname", "box2\n");
    check_file("resolv.conf", "");
}

static void links_are_replaced_not_followed(void)
{
    char victim[128];
    auto_free char *text = NULL;
    strcpy(victim, in_directory("victim"));
    REQUIRE(write_file_atomic(victim, "old", 3, 0600) == 0);
    REQUIRE(unlink(in_directory("resolv.conf")) == 0);
    REQUIRE(symlink("victim", in_directory("resolv.conf")) == 0);
    REQUIRE(symlink("victim", in_directory(".atoll-resolv.conf")) == 0);
    identity_write(directory, NULL, NULL, "1.1.1.1");
    check_file("resolv.conf", "nameserver 1.1.1.1\n");
    CHECK(read_file_at(AT_FDCWD, victim, 100, &text) >= 0);
    CHECK_TEXT(text, "old");
}

static struct stat status_of(const char *name)
{
    struct stat st = {0};
    CHECK(lstat(in_directory(name), &st) == 0);
    return st;
}

static void files_are_written_in_place(void)
{
    identity_write(directory, "a-longer-name", NULL, "9.9.9.9");
    struct stat before = status_of("hostname"), resolvers = status_of("resolv.conf");
    identity_write(directory, "name", NULL, "9.9.9.9");
    check_file("hostname", "name\n");
    struct stat after = status_of("hostname");
    CHECK(after.st_ino == before.st_ino);
    after = status_of("resolv.conf"); /* has that text already */
    CHECK(after.st_mtim.tv_sec == resolvers.st_mtim.tv_sec &&
          after.st_mtim.tv_nsec == resolvers.st_mtim.tv_nsec);
}

static void other_names_of_a_file_keep_its_text(void)
{
    char other[128];
    auto_free char *text = NULL;
    strcpy(other, in_directory("other"));
    identity_write(directory, "first", NULL, NULL);
    REQUIRE(link(in_directory("hostname"), other) == 0);
    identity_write(directory, "second", NULL, NULL);
    check_file("hostname", "second\n");
    CHECK(read_file_at(AT_FDCWD, other, 100, &text) >= 0);
    CHECK_TEXT(text, "first\n");
    REQUIRE(chmod(in_directory("hostname"), 0600) == 0);
    identity_write(directory, "third", NULL, NULL);
    check_file("hostname", "third\n"); /* with the mode that it has to have */
}

static void long_lists_are_cut(void)
{
    static char resolvers[8000];
    memset(resolvers, ',', sizeof(resolvers) - 1);
    identity_write(directory, NULL, NULL, resolvers);
    struct stat st;
    CHECK(stat(in_directory("resolv.conf"), &st) == 0 && st.st_size < 2048);
    identity_write("/no/such/directory", "x", "y", "z");
}

static void machine_ids_are_made_anew_where_there_is_one(void)
{
    auto_free char *first = NULL, *second = NULL;
    struct stat st;
    identity_renew(directory);
    CHECK(lstat(in_directory("machine-id"), &st) < 0);
    REQUIRE(write_file_atomic(in_directory("machine-id"), "", 0, 0444) == 0);
    identity_renew(directory);
    CHECK(lstat(in_directory("machine-id"), &st) == 0 && st.st_size == 0);
    REQUIRE(write_file_atomic(in_directory("machine-id"), "0123\n", 5, 0644) == 0);
    identity_renew(directory);
    CHECK(read_file_at(AT_FDCWD, in_directory("machine-id"), 100, &first) == 33);
    identity_renew(directory);
    CHECK(read_file_at(AT_FDCWD, in_directory("machine-id"), 100, &second) == 33);
    REQUIRE(first && second);
    CHECK_INT(strspn(first, "0123456789abcdef"), 32);
    CHECK(first[32] == '\n' && strcmp(first, second) != 0);
    CHECK(lstat(in_directory("machine-id"), &st) == 0 && (st.st_mode & 07777) == 0444);
    identity_renew("/no/such/directory");
}

static const struct check_case cases[] = {
    {"files are written", files_are_written},
    {"links are replaced, not followed", links_are_replaced_not_followed},
    {"files are written in place", files_are_written_in_place},
    {"other names of a file keep its text", other_names_of_a_file_keep_its_text},
    {"long lists are cut", long_lists_are_cut},
    {"machine ids are made anew where there is one", machine_ids_are_made_anew_where_there_is_one},
};

int main(int argc, char **argv)
{
    if (!mkdtemp(directory)) {
        return 1;
    }
    int result = check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
    static const char *const names[] = {"hostname", "hosts",      "resolv.conf",
                                        "victim",   "machine-id", "other"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unlink(in_directory(names[i]));
    }
    rmdir(directory);
    return result;
}
