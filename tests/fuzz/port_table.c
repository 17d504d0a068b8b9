/* Arbitrary lines of the kernel's tables of sockets. */
#include "agent/port_table.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char line[512];
    unsigned char bytes[16];
    size_t length = size < sizeof(line) ? size : sizeof(line) - 1;
    memcpy(line, data, length);
    line[length] = '\0';
    for (int v6 = 0; v6 < 2; v6++) {
        struct port_entry entry;
        if (port_table_parse(line, v6 ? AF_INET6 : AF_INET, &entry)) {
            assert(entry.port > 0 && entry.port <= 65535);
            assert(inet_pton(v6 ? AF_INET6 : AF_INET, entry.address, bytes) == 1);
        }
    }
    return 0;
}
