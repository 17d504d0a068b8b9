#include "agent/account.h"

#include "check.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char directory[] = "/tmp/atoll-unit-account-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    auto_fclose FILE *file = fopen(path, "we");
    REQUIRE(file);
    fputs(text, file);
}

/* A directory with these two files; NULL leaves one out. */
static int etc(const char *passwd, const char *group)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/passwd", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/group", directory);
    unlink(path);
    if (passwd) {
        put("passwd", passwd);
    }
    if (group) {
        put("group", group);
    }
    return open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static const char passwd_text[] = "root:x:0:0:root:/root:/bin/bash\n"
                                  "broken line\n"
                                  "bad:x:notanumber:0::/:\n"
                                  "sandbox:x:1000:1001:,,,:/home/sandbox:/bin/bash\n"
                                  "nohome:x:1002:1002:::\n"
                                  "last:x:1003:1003::/last:/bin/sh"; /* no newline */
static const char group_text[] = "root:x:0:\n"
                                 "staff:x:50:other,sandbox\n"
                                 "sandboxes:x:51:sandboxes,xsandbox\n"
                                 "main:x:1001:sandbox\n"
                                 "audio:x:29:sandbox\n";

static void names_are_found(void)
{
    struct account account;
    auto_close int fd = etc(passwd_text, group_text);
    REQUIRE(account_find(fd, "sandbox", &account) == 0);
    CHECK_INT(account.uid, 1000);
    CHECK_INT(account.gid, 1001);
    CHECK_TEXT(account.home, "/home/sandbox");
    CHECK_INT((long long)account.group_count, 3);
    CHECK_INT(account.groups[0], 1001);
    CHECK_INT(account.groups[1], 50);
    CHECK_INT(account.groups[2], 29);
    REQUIRE(account_find(fd, "last", &account) == 0);
    CHECK_TEXT(account.home, "/last");
    REQUIRE(account_find(fd, "nohome", &account) == 0);
    CHECK_TEXT(account.home, "/");
    CHECK_INT(account_find(fd, "nobody", &account), ENOENT);
    CHECK_INT(account_find(fd, "", &account), ENOENT);
    CHECK_INT(account_find(fd, "bad", &account), ENOENT);
}

static void numbers_are_found(void)
{
    struct account account;
    auto_close int fd = etc(passwd_text, group_text);
    REQUIRE(account_find(fd, "1000", &account) == 0);
    CHECK_TEXT(account.name, "sandbox");
    CHECK_INT(account.gid, 1001);
    REQUIRE(account_find(fd, "4242", &account) == 0);
    CHECK_INT(account.uid, 4242);
    CHECK_INT(account.gid, 4242);
    CHECK_TEXT(account.name, "4242");
    CHECK_TEXT(account.home, "/");
    CHECK_INT(account_find(fd, "4294967295", &account), ENOENT); /* -1 */
    CHECK_INT(account_find(fd, "99999999999999999999", &account), ENOENT);
    CHECK_INT(account_find(fd, "-1", &account), ENOENT);
    CHECK_INT(account_find(fd, "0x1", &account), ENOENT);
}

static void root_needs_no_files(void)
{
    struct account account;
    auto_close int fd = etc(NULL, NULL);
    REQUIRE(account_find(fd, "root", &account) == 0);
    CHECK_INT(account.uid, 0);
    CHECK_INT(account.gid, 0);
    CHECK_INT(account_find(fd, "sandbox", &account), ENOENT);
}

static void odd_files_do_no_harm(void)
{
    struct account account;
    static char text[3 * 4096];
    memset(text, 'x', sizeof(text) - 1);
    strcpy(text + 2 * 4096 + 100, "\nsandbox:x:1000:1000::/h:\n");
    auto_close int fd = etc(text, "\n:::\n::::::::::\n");
    REQUIRE(account_find(fd, "sandbox", &account) == 0);
    CHECK_INT(account.uid, 1000);
    char path[64];
    snprintf(path, sizeof(path), "%s/passwd", directory);
    REQUIRE(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    CHECK_INT(account_find(fd, "sandbox", &account), ENOENT);
    REQUIRE(unlink(path) == 0 && symlink("/dev/zero", path) == 0);
    CHECK_INT(account_find(fd, "sandbox", &account), ENOENT);
}

static void names_of_numbers(void)
{
    char text[ACCOUNT_NAME_SIZE];
    auto_close int fd = etc(passwd_text, group_text);
    account_user_name(fd, 1000, text);
    CHECK_TEXT(text, "sandbox");
    account_user_name(fd, 77, text);
    CHECK_TEXT(text, "77");
    account_group_name(fd, 29, text);
    CHECK_TEXT(text, "audio");
    account_group_name(fd, 30, text);
    CHECK_TEXT(text, "30");
}

static const struct check_case cases[] = {
    {"names are found", names_are_found},         {"numbers are found", numbers_are_found},
    {"root needs no files", root_needs_no_files}, {"odd files do no harm", odd_files_do_no_harm},
    {"names of numbers", names_of_numbers},
};

int main(int argc, char **argv)
{
    if (!mkdtemp(directory)) {
        return 1;
    }
    int result = check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
    close_fd(etc(NULL, NULL));
    rmdir(directory);
    return result;
}
