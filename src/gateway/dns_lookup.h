/* Looking up names at a chosen DNS server, without the daemon's caches. */
#ifndef ATOLL_GATEWAY_DNS_LOOKUP_H
#define ATOLL_GATEWAY_DNS_LOOKUP_H

#include <netinet/in.h>
#include <stdbool.h>

/* server: "address[:port]" in IPv4, or "" for the host's own. Has name a TXT record with exactly this text? */
bool dns_has_text(const char *server, const char *name, const char *text);

/* An IPv4 address of the name. false: none was found. */
bool dns_address(const char *server, const char *name, char address[INET_ADDRSTRLEN]);

#endif
