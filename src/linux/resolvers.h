/* The DNS servers that sandboxes are given. */
#ifndef ATOLL_LINUX_RESOLVERS_H
#define ATOLL_LINUX_RESOLVERS_H

#include <stdbool.h>
#include <stddef.h>

enum { RESOLVERS_MAX = 3, RESOLVER_TEXT_SIZE = 16 };

struct resolvers {
    int count;
    bool fallback; /* the host's own cannot be reached from a sandbox, public ones are used */
    char address[RESOLVERS_MAX][RESOLVER_TEXT_SIZE]; /* dotted IPv4 */
};

/* Reads the host's resolv.conf files: the first that names an IPv4 server outside of 127/8 wins. */
void resolvers_find(struct resolvers *ret_resolvers);

/* "1.2.3.4,5.6.7.8" into text[size]; returns text. */
char *resolvers_join(const struct resolvers *resolvers, const char *separator, char *text,
                     size_t size);

#endif
