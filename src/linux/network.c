#include "linux/network.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

struct mnl_socket *netlink_open(struct error *err)
{
    struct mnl_socket *connection = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!connection || mnl_socket_bind(connection, 0, MNL_SOCKET_AUTOPID) < 0) {
        error_set(err, ERR_ENGINE, errno, "open rtnetlink");
        netlink_close(&connection);
    }
    return connection;
}

void netlink_close(struct mnl_socket **connection)
{
    if (*connection) {
        mnl_socket_close(*connection);
        *connection = NULL;
    }
}

static struct nlmsghdr *start(char *memory, uint16_t type, uint16_t flags)
{
    memset(memory, 0, MESSAGE_BYTES);
    struct nlmsghdr *message = mnl_nlmsg_put_header(memory);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message->nlmsg_seq = 1;
    return message;
}

/* Sends and waits for the acknowledgement. 0, or -1 with errno. */
static int ask(struct mnl_socket *connection, struct nlmsghdr *message)
{
    char reply[8192];
    if (mnl_socket_sendto(connection, message, message->nlmsg_len) < 0) {
        return -1;
    }
    ssize_t got = mnl_socket_recvfrom(connection, reply, sizeof(reply));
    if (got < 0) {
        return -1;
    }
    return mnl_cb_run(reply, (size_t)got, message->nlmsg_seq, mnl_socket_get_portid(connection),
                      NULL, NULL) < 0
               ? -1
               : 0;
}

static struct ifinfomsg *put_link(struct nlmsghdr *message)
{
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
    link->ifi_family = AF_UNSPEC;
    return link;
}

int netlink_make_veth(struct mnl_socket *connection, const char *name, const char *peer,
                      int netns_fd, struct error *err)
{
    char memory[MESSAGE_BYTES];
    struct nlmsghdr *message = start(memory, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    put_link(message);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    struct nlattr *other = mnl_attr_nest_start(message, VETH_INFO_PEER);
    put_link(message);
    mnl_attr_put_strz(message, IFLA_IFNAME, peer);
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    mnl_attr_nest_end(message, other);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    return ask(connection, message) < 0
               ? error_set(err, ERR_ENGINE, errno, "make interface %s", name)
               : 0;
}

int netlink_set_up(struct mnl_socket *connection, const char *name, struct error *err)
{
    char memory[MESSAGE_BYTES];
    struct nlmsghdr *message = start(memory, RTM_NEWLINK, 0);
    struct ifinfomsg *link = put_link(message);
    link->ifi_flags = IFF_UP;
    link->ifi_change = IFF_UP;
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    return ask(connection, message) < 0
               ? error_set(err, ERR_ENGINE, errno, "set interface %s up", name)
               : 0;
}

int netlink_delete(struct mnl_socket *connection, const char *name, struct error *err)
{
    char memory[MESSAGE_BYTES];
    struct nlmsghdr *message = start(memory, RTM_DELLINK, 0);
    put_link(message);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    return ask(connection, message) < 0
               ? error_set(err, ERR_ENGINE, errno, "delete interface %s", name)
               : 0;
}

/* The index of an interface in the namespace of the connection. 0 with errno when there is none. */
static unsigned index_of(struct mnl_socket *connection, const char *name)
{
    char memory[MESSAGE_BYTES], reply[8192];
    struct nlmsghdr *message = start(memory, RTM_GETLINK, 0);
    message->nlmsg_flags = NLM_F_REQUEST;
    put_link(message);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    if (mnl_socket_sendto(connection, message, message->nlmsg_len) < 0) {
        return 0;
    }
    ssize_t got = mnl_socket_recvfrom(connection, reply, sizeof(reply));
    const struct nlmsghdr *answer = (const void *)reply;
    if (got < 0 || !mnl_nlmsg_ok(answer, (int)got) || answer->nlmsg_type != RTM_NEWLINK) {
        errno = ENODEV;
        return 0;
    }
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(answer);
    return (unsigned)link->ifi_index;
}

int netlink_add_address(struct mnl_socket *connection, const char *name, struct in_addr address,
                        int prefix_length, struct error *err)
{
    char memory[MESSAGE_BYTES];
    unsigned index = index_of(connection, name);
    struct nlmsghdr *message = start(memory, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ifa_family = AF_INET;
    body->ifa_prefixlen = (unsigned char)prefix_length;
    body->ifa_scope = RT_SCOPE_UNIVERSE;
    body->ifa_index = index;
    mnl_attr_put_u32(message, IFA_LOCAL, address.s_addr);
    mnl_attr_put_u32(message, IFA_ADDRESS, address.s_addr);
    return index == 0 || ask(connection, message) < 0
               ? error_set(err, ERR_ENGINE, errno, "give interface %s its address", name)
               : 0;
}

int netlink_add_default_route(struct mnl_socket *connection, struct in_addr gateway,
                              struct error *err)
{
    char memory[MESSAGE_BYTES];
    struct nlmsghdr *message = start(memory, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
    route->rtm_family = AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    mnl_attr_put_u32(message, RTA_GATEWAY, gateway.s_addr);
    return ask(connection, message) < 0 ? error_set(err, ERR_ENGINE, errno, "add the default route")
                                        : 0;
}

int netlink_add_route(struct mnl_socket *connection, struct in_addr destination, int prefix_length,
                      struct in_addr gateway, const char *name, struct error *err)
{
    char memory[MESSAGE_BYTES];
    unsigned index = index_of(connection, name);
    struct nlmsghdr *message = start(memory, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
    route->rtm_family = AF_INET;
    route->rtm_dst_len = (unsigned char)prefix_length;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = RT_SCOPE_UNIVERSE;
    route->rtm_type = RTN_UNICAST;
    mnl_attr_put_u32(message, RTA_DST, destination.s_addr);
    mnl_attr_put_u32(message, RTA_GATEWAY, gateway.s_addr);
    mnl_attr_put_u32(message, RTA_OIF, index);
    return index == 0 || ask(connection, message) < 0
               ? error_set(err, ERR_ENGINE, errno, "add a route through %s", name)
               : 0;
}
