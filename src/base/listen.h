/* Listening sockets of addresses as users write them. */
#ifndef ATOLL_BASE_LISTEN_H
#define ATOLL_BASE_LISTEN_H

#include "base/error.h"

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (every IPv4 address): a listening,
 * non-blocking TCP socket, or -1 with a sentence that names setting ("listen"). */
int listen_tcp(const char *address, const char *setting, struct error *err);

#endif
