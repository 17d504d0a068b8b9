#include "agent/port_table.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { STATE_LISTEN = 0x0a };

/* Hexadecimal words as the machine has them in memory. The characters behind them, or NULL. */
static const char *parse_address(const char *text, int family, unsigned char bytes[16])
{
    size_t words = family == AF_INET ? 1 : 4;
    for (size_t i = 0; i < words; i++) {
        uint32_t word = 0;
        for (int digit = 0; digit < 8; digit++, text++) {
            const char *at = *text ? strchr("0123456789ABCDEF", *text) : NULL;
            if (!at) {
                return NULL;
            }
            word = word << 4 | (uint32_t)(at - "0123456789ABCDEF");
        }
        memcpy(bytes + i * sizeof(word), &word, sizeof(word));
    }
    return text;
}

bool port_table_parse(const char *line, int family, struct port_entry *ret_entry)
{
    unsigned char bytes[16];
    unsigned port, state;
    unsigned long long inode;
    const char *colon = strchr(line, ':');
    if (!colon) {
        return false;
    }
    const char *address = colon + 1 + strspn(colon + 1, " ");
    const char *rest = parse_address(address, family, bytes);
    /* :port remote:port state queues timer retransmits uid timeout inode */
    if (!rest ||
        sscanf(rest, ":%4x %*40[0-9A-F:] %2x %*17s %*11s %*8s %*u %*u %20llu", &port, &state,
               &inode) != 3 ||
        state != STATE_LISTEN || port == 0 || port > UINT16_MAX /* scanf takes a sign */) {
        return false;
    }
    ret_entry->port = (int)port;
    ret_entry->inode = inode;
    return inet_ntop(family, bytes, ret_entry->address, sizeof(ret_entry->address)) != NULL;
}
