/* Listening sockets of addresses as users write them. */
#ifndef ATOLL_HTTP_LISTEN_H
#define ATOLL_HTTP_LISTEN_H

#include "base/error.h"

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (every IPv4 address): a listening,
 * non-blocking TCP socket, or -1 with a sentence. */
int listen_tcp(const char *address, struct error *err);

#endif
