#include "guest/guest.h"

#include "wire/guest_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define AGENT_INTERFACE "agent"
#define INTERFACE       "eth0"

enum { BACKLOG = 1024, INTERFACES_MAX = 8 };

static int open_control(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        guest_fail("cannot make a socket");
    }
    return fd;
}

static void hardware_text(const struct ifreq *request, char text[18])
{
    const unsigned char *octets = (const unsigned char *)request->ifr_hwaddr.sa_data;
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3],
             octets[4], octets[5]);
}

/* The interface with that hardware address, whatever the kernel called it. */
static struct ifreq find_interface(int control, const char *hardware_address)
{
    char text[18];
    for (int index = 1; index <= INTERFACES_MAX; index++) {
        struct ifreq request = {.ifr_ifindex = index};
        if (ioctl(control, SIOCGIFNAME, &request) < 0 ||
            ioctl(control, SIOCGIFHWADDR, &request) < 0) {
            continue;
        }
        hardware_text(&request, text);
        if (strcmp(text, hardware_address) == 0) {
            return request;
        }
    }
    errno = ENODEV;
    guest_fail("no network interface has the address %s", hardware_address);
}

static void rename_interface(int control, const char *hardware_address, const char *name)
{
    struct ifreq request = find_interface(control, hardware_address);
    if (strcmp(request.ifr_name, name) == 0) {
        return;
    }
    snprintf(request.ifr_newname, sizeof(request.ifr_newname), "%s", name);
    if (ioctl(control, SIOCSIFNAME, &request) < 0) {
        guest_fail("cannot rename %s to %s", request.ifr_name, name);
    }
}

static struct sockaddr_in inet_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

static void set_address(int control, const char *name, const char *text)
{
    struct ifreq request = {0};
    struct sockaddr_in address = inet_address(text);
    struct sockaddr_in mask = {.sin_family = AF_INET};
    mask.sin_addr.s_addr = htonl(UINT32_MAX << (32 - GUEST_PREFIX_LENGTH));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    if (ioctl(control, SIOCSIFADDR, &request) < 0) {
        guest_fail("cannot give %s the address %s", name, text);
    }
    memcpy(&request.ifr_netmask, &mask, sizeof(mask));
    if (ioctl(control, SIOCSIFNETMASK, &request) < 0) {
        guest_fail("cannot set the netmask of %s", name);
    }
}

static void bring_up(int control, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_UP};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0) {
        guest_fail("cannot bring up %s", name);
    }
}

static void add_default_route(int control)
{
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in gateway = inet_address(GUEST_GATEWAY_ADDRESS);
    struct sockaddr_in any = {.sin_family = AF_INET};
    memcpy(&route.rt_gateway, &gateway, sizeof(gateway));
    memcpy(&route.rt_dst, &any, sizeof(any));
    memcpy(&route.rt_genmask, &any, sizeof(any));
    if (ioctl(control, SIOCADDRT, &route) < 0) {
        guest_fail("cannot add the default route");
    }
}

/* Asks the kernel, over a netlink socket of the namespace that the interface is in. */
static void move_interface(int netlink, unsigned index, int namespace)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
        struct nlattr attribute;
        int32_t namespace;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = RTM_NEWLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index},
        .attribute = {.nla_len = NLA_HDRLEN + sizeof(int32_t), .nla_type = IFLA_NET_NS_FD},
        .namespace = namespace,
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[512];
    } answer;
    if (send(netlink, &message, sizeof(message), 0) < 0 ||
        recv(netlink, &answer, sizeof(answer), 0) < (ssize_t)offsetof(typeof(answer), rest)) {
        guest_fail("cannot ask for the agent's interface to be moved");
    }
    if (answer.error.error != 0) {
        errno = -answer.error.error;
        guest_fail("cannot move the agent's interface");
    }
}

static int open_namespace(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        guest_fail("cannot open the network namespace");
    }
    return fd;
}

static int listen_for_host(void)
{
    struct sockaddr_in address = inet_address(GUEST_AGENT_ADDRESS);
    address.sin_port = htons(GUEST_AGENT_PORT);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* what it accepts inherits the option */
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0) {
        guest_fail("cannot listen at %s", GUEST_AGENT_ADDRESS);
    }
    return fd;
}

/* The listening socket keeps its namespace: no command is in it, nor sees the interface. */
static int open_agent_link(int control)
{
    rename_interface(control, GUEST_AGENT_MAC, AGENT_INTERFACE);
    unsigned index = if_nametoindex(AGENT_INTERFACE);
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int outside = open_namespace();
    if (netlink < 0 || unshare(CLONE_NEWNET) < 0) {
        guest_fail("cannot make a network namespace");
    }
    int inside = open_namespace();
    move_interface(netlink, index, inside);
    int inner_control = open_control();
    set_address(inner_control, AGENT_INTERFACE, GUEST_AGENT_ADDRESS);
    bring_up(inner_control, AGENT_INTERFACE);
    int listener = listen_for_host();
    if (setns(outside, CLONE_NEWNET) < 0) {
        guest_fail("cannot return to the first network namespace");
    }
    close(netlink);
    close(outside);
    close(inside);
    close(inner_control);
    return listener;
}

int guest_open_network(void)
{
    int control = open_control();
    int listener = open_agent_link(control);
    rename_interface(control, GUEST_MAC, INTERFACE);
    set_address(control, INTERFACE, GUEST_ADDRESS);
    bring_up(control, INTERFACE);
    bring_up(control, "lo");
    add_default_route(control);
    guest_write("/proc/sys/net/ipv4/conf/" INTERFACE "/route_localnet", "1");
    close(control);
    return listener;
}
