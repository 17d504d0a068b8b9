/* How many connections each client address holds. Any thread. */
#ifndef ATOLL_GATEWAY_PEERS_H
#define ATOLL_GATEWAY_PEERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct peers;

/* NULL on ENOMEM. */
struct peers *peers_new(int64_t max_each);
struct peers *peers_free(struct peers *peers);

/* Counts one more connection of the address; false when it has as many as it may. */
bool peers_take(struct peers *peers, const struct in6_addr *address);
void peers_give(struct peers *peers, const struct in6_addr *address);

#endif
