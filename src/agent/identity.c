#include "agent/identity.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_MAX_BYTES = 1024 };

/* Whole or not at all, and never through a link that the sandbox left in its place. */
static void replace(int etc_fd, const char *name, const char *text)
{
    char temporary[64];
    snprintf(temporary, sizeof(temporary), ".atoll-%s", name);
    unlinkat(etc_fd, temporary, 0);
    auto_close int fd =
        openat(etc_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    size_t length = strlen(text);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length || fchmod(fd, 0644) < 0 ||
        renameat(etc_fd, temporary, etc_fd, name) < 0) {
        fprintf(stderr, "atoll-agent: cannot write /etc/%s\n", name);
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
    replace(etc_fd, "resolv.conf", text);
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
        replace(etc_fd, "hostname", text);
    }
    if (hostname && address) {
        snprintf(text, sizeof(text),
                 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n",
                 address, hostname);
        replace(etc_fd, "hosts", text);
    }
    if (resolvers) {
        write_resolvers(etc_fd, resolvers);
    }
}
