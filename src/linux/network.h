/* Network interfaces through rtnetlink, without helper programs. A connection belongs to the network
 * namespace in which it was opened. */
#ifndef ATOLL_LINUX_NETWORK_H
#define ATOLL_LINUX_NETWORK_H

#include "base/error.h"

#include <netinet/in.h>

struct mnl_socket;

/* NULL with err. */
struct mnl_socket *netlink_open(struct error *err);
void netlink_close(struct mnl_socket **connection);
#define auto_netlink __attribute__((cleanup(netlink_close)))

/* Makes a veth pair: name here, peer inside the namespace of netns_fd. */
int netlink_make_veth(struct mnl_socket *connection, const char *name, const char *peer,
                      int netns_fd, struct error *err);

int netlink_set_up(struct mnl_socket *connection, const char *name, struct error *err);

/* Takes an interface away. Waits for the kernel, tens of milliseconds. */
int netlink_delete(struct mnl_socket *connection, const char *name, struct error *err);

/* Addresses in network byte order. */
int netlink_add_address(struct mnl_socket *connection, const char *name, struct in_addr address,
                        int prefix_length, struct error *err);
int netlink_add_default_route(struct mnl_socket *connection, struct in_addr gateway,
                              struct error *err);

/* Sends what goes to destination/prefix_length by way of gateway, which is reached through an interface. */
int netlink_add_route(struct mnl_socket *connection, struct in_addr destination, int prefix_length,
                      struct in_addr gateway, const char *name, struct error *err);

#endif
