/* The kernel's tables of TCP sockets, /proc/net/tcp and tcp6. Pure; fuzzed. */
#ifndef ATOLL_AGENT_PORT_TABLE_H
#define ATOLL_AGENT_PORT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { PORT_ADDRESS_SIZE = 46 }; /* INET6_ADDRSTRLEN */

struct port_entry {
    int port;
    char address[PORT_ADDRESS_SIZE];
    uint64_t inode; /* of the socket */
};

/* One line of the table (family: AF_INET or AF_INET6). false: no listening socket, or no such line. */
bool port_table_parse(const char *line, int family, struct port_entry *ret_entry);

#endif
