/* TAP devices: network interfaces whose other end is a descriptor, for virtual machines. */
#ifndef ATOLL_LINUX_TAP_H
#define ATOLL_LINUX_TAP_H

#include "base/error.h"

#include <netinet/in.h>

/* Makes one in this network namespace, with that hardware address ("02:a0:11:00:00:01"); it lasts as long as the
 * descriptor. -1 with err. */
int tap_open(const char *name, const char *hardware_address, struct error *err);

/* Tells the kernel for good which hardware address a neighbour on that interface has. */
int neighbor_set(const char *name, struct in_addr address, const char *hardware_address,
                 struct error *err);

#endif
