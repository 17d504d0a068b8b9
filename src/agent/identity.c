#include "agent/identity.h"

#include "agent/machine.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { TEXT_MAX_BYTES = 1024 };

/* In place: that is cheaper than another file, and a full disk has room for it. False: it is not this text now. */
static bool overwrite(int etc_fd, const char *name, const char *text, mode_t mode)
{
    struct stat info;
    char old[TEXT_MAX_BYTES];
    size_t length = strlen(text);
    auto_close int fd =
        openat(etc_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
        (info.st_mode & 07777) != mode || info.st_uid != geteuid()) {
        return false;
    }
    if (info.st_size == (off_t)length && length <= sizeof(old) &&
        pread(fd, old, length, 0) == (ssize_t)length && memcmp(old, text, length) == 0) {
        return true;
    }
    return pwrite(fd, text, length, 0) == (ssize_t)length &&
           (info.st_size <= (off_t)length || ftruncate(fd, (off_t)length) == 0);
}

/* Whole or not at all, and never through a link that the sandbox left in its place. */
static void put(int etc_fd, const char *name, const char *text, mode_t mode)
{
    char temporary[64];
    if (overwrite(etc_fd, name, text, mode)) {
        return;
    }
    snprintf(temporary, sizeof(temporary), ".atoll-%s", name);
    unlinkat(etc_fd, temporary, 0);
    auto_close int fd =
        openat(etc_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    size_t length = strlen(text);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length || fchmod(fd, mode) < 0 ||
        renameat(etc_fd, temporary, etc_fd, name) < 0) {
        fprintf(stderr, "atoll-agent: cannot write %s\n", name);
        unlinkat(etc_fd, temporary, 0);
    }
}

static void write_resolvers(int etc_fd, const char *resolvers)
{
    char text[TEXT_MAX_BYTES] = "";
    size_t used = 0;
    while (*resolvers && used < sizeof(text) - 64) {
        int length = (int)strcspn(resolvers, ",");
        used += (size_t)snprintf(text + used, sizeof(text) - used, "nameserver %.*s\n",
                                 length < 45 ? length : 45, resolvers);
        resolvers += length + (resolvers[length] == ',');
    }
    put(etc_fd, "resolv.conf", text, 0644);
}

void identity_write(const char *etc, const char *hostname, const char *address,
                    const char *resolvers)
{
    auto_close int etc_fd = open(etc, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (etc_fd < 0) {
        return;
    }
    char text[TEXT_MAX_BYTES];
    if (hostname) {
        snprintf(text, sizeof(text), "%s\n", hostname);
        put(etc_fd, "hostname", text, 0644);
    }
    if (hostname && address) {
        /* a virtual machine has no IPv6 */
        snprintf(text, sizeof(text), "127.0.0.1\tlocalhost\n%s%s\t%s\n",
                 machine_is_own() ? "" : "::1\tlocalhost ip6-localhost ip6-loopback\n", address,
                 hostname);
        put(etc_fd, "hosts", text, 0644);
    }
    if (resolvers) {
        write_resolvers(etc_fd, resolvers);
    }
}

void identity_renew(const char *directory)
{
    static const char name[] = "machine-id";
    unsigned char random[16];
    char text[2 * sizeof(random) + 2];
    struct stat info;
    auto_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstatat(fd, name, &info, 0) < 0 || info.st_size == 0 ||
        getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return;
    }
    random[6] = (unsigned char)(0x40 | (random[6] & 0x0f)); /* as random UUIDs are marked */
    random[8] = (unsigned char)(0x80 | (random[8] & 0x3f));
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    }
    memcpy(text + 2 * sizeof(random), "\n", 2);
    put(fd, name, text, 0444);
}
