/* The static packet filter of one instance: what its sandboxes may reach. */
#ifndef ATOLL_LINUX_FIREWALL_H
#define ATOLL_LINUX_FIREWALL_H

#include "base/error.h"
#include "linux/resolvers.h"

struct firewall {
    int instance;               /* N: table "atoll_N", interfaces "atNs…" */
    const char *network;        /* the instance's own range, "100.64.0.0/20" */
    const char *allow_private;  /* comma-separated IPv4 ranges, or "" */
    struct resolvers resolvers;
};

/* Replaces the instance's table in one step and switches forwarding on. Runs nft; blocks. -1 with
 * err (ERR_HOST_UNSUPPORTED) saying what the host lacks. */
int firewall_load(const struct firewall *firewall, struct error *err);

/* Removes the instance's table. Failing is fine: there may be none. */
void firewall_remove(int instance);

#endif
