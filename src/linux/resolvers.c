#include "linux/resolvers.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Where a local stub (systemd-resolved, NetworkManager) keeps the servers behind it. */
static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf",
                                    "/run/NetworkManager/no-stub-resolv.conf"};

/* As other container systems do when the host's resolver listens on loopback only. */
static const char *const public_servers[] = {"1.1.1.1", "8.8.8.8"};

static void read_file(const char *path, struct resolvers *resolvers)
{
    auto_fclose FILE *file = fopen(path, "re");
    char line[512];
    while (file && resolvers->count < RESOLVERS_MAX && fgets(line, sizeof(line), file)) {
        char text[64];
        struct in_addr address;
        if (sscanf(line, "nameserver %63s", text) == 1 && inet_pton(AF_INET, text, &address) == 1 &&
            (ntohl(address.s_addr) >> 24) != 127 && address.s_addr != 0) {
            inet_ntop(AF_INET, &address, resolvers->address[resolvers->count++],
                      RESOLVER_TEXT_SIZE);
        }
    }
}

void resolvers_find(struct resolvers *ret_resolvers)
{
    *ret_resolvers = (struct resolvers){0};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && ret_resolvers->count == 0; i++) {
        read_file(files[i], ret_resolvers);
    }
    if (ret_resolvers->count == 0) {
        ret_resolvers->fallback = true;
        for (size_t i = 0; i < sizeof(public_servers) / sizeof(public_servers[0]); i++) {
            snprintf(ret_resolvers->address[ret_resolvers->count++], RESOLVER_TEXT_SIZE, "%s",
                     public_servers[i]);
        }
    }
}

char *resolvers_join(const struct resolvers *resolvers, const char *separator, char *text,
                     size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < resolvers->count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? separator : "",
                                 resolvers->address[i]);
    }
    return text;
}
