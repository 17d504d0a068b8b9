/* Arbitrary /etc/passwd and /etc/group of a sandbox. */
#include "agent/account.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char directory[] = "/tmp/atoll-fuzz-XXXXXX";
static int directory_fd = -1;

static void clean_up(void)
{
    unlinkat(directory_fd, "passwd", 0);
    unlinkat(directory_fd, "group", 0);
    rmdir(directory);
}

static void put(const char *name, const unsigned char *data, size_t size)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct account account;
    char name[ACCOUNT_NAME_SIZE];
    if (directory_fd < 0) {
        assert(mkdtemp(directory));
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        atexit(clean_up);
    }
    size_t half = size / 2;
    put("passwd", data, half);
    put("group", data + half, size - half);
    static const char *const users[] = {"sandbox", "root", "1000", ""};
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        if (account_find(directory_fd, users[i], &account) == 0) {
            assert(account.home[0] == '/' && strlen(account.home) < sizeof(account.home));
            assert(strlen(account.name) < sizeof(account.name));
            assert(account.group_count >= 1 && account.group_count <= ACCOUNT_GROUPS_MAX);
            assert(account.uid != (uid_t)-1 && account.groups[0] == account.gid);
        }
    }
    account_user_name(directory_fd, 1000, name);
    account_group_name(directory_fd, 1000, name);
    assert(strlen(name) < sizeof(name));
    return 0;
}
