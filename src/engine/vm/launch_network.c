#include "engine/vm/launch.h"

#include "base/cleanup.h"
#include "linux/network.h"
#include "linux/process.h"
#include "linux/tap.h"
#include "wire/guest_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/*
 * The namespace around a machine routes between the guest's interface and the sandbox's veth, and hides the guest's
 * constant address behind the slot's. What the guest sends to the namespace itself goes nowhere.
 */

enum { LOOPBACK_PREFIX = 8 };

static const char outer_interface[] = "eth0";

static const char filter[] =
    "table ip atoll {\n"
    "  chain input {\n"
    "    type filter hook input priority 0; policy drop;\n"
    "    ct state established,related accept\n"
    "    iifname \"" GUEST_TAP "\" ip daddr " GUEST_GATEWAY_ADDRESS
    " icmp type echo-request accept\n"
    "  }\n"
    "  chain forward {\n"
    "    type filter hook forward priority 0; policy drop;\n"
    "    iifname \"" GUEST_TAP "\" oifname \"eth0\" ip saddr " GUEST_ADDRESS " accept\n"
    "    iifname \"eth0\" oifname \"" GUEST_TAP "\" ct state established,related accept\n"
    "  }\n"
    "  chain outward {\n"
    "    type nat hook postrouting priority 100;\n"
    "    oifname \"eth0\" masquerade\n"
    "  }\n"
    "}\n";

static struct in_addr address_of(const char *text)
{
    struct in_addr address = {0};
    inet_pton(AF_INET, text, &address);
    return address;
}

static int write_option(const char *name, const char *value, struct error *err)
{
    char path[96];
    snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, value, strlen(value)) < 0
               ? error_set(err, ERR_HOST_UNSUPPORTED, errno, "set net/%s", name)
               : 0;
}

static int set_options(struct error *err)
{
    struct error ignored; /* absent when the host has no IPv6 */
    write_option("ipv6/conf/default/disable_ipv6", "1", &ignored);
    /* A closed connection to a guest that is gone keeps the namespace, and with it the slot, until it gives up. */
    return write_option("ipv4/tcp_orphan_retries", "1", err) < 0 ||
                   write_option("ipv4/ip_forward", "1", err) < 0
               ? -1
               : 0;
}

static int make_veth(const struct launch *launch, struct mnl_socket *host,
                     struct mnl_socket *inside, struct error *err)
{
    int instance = launch->engine->context.instance, slot = launch->machine->slot;
    const char *name = launch->machine->interface;
    auto_close int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (netns < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the network namespace");
    }
    struct error ignored; /* what an instance left that had this number and did not end in order */
    netlink_delete(host, name, &ignored);
    return netlink_make_veth(host, name, outer_interface, netns, err) < 0 ||
                   netlink_add_address(host, name, slot_host_address(instance, slot), 31, err) <
                       0 ||
                   netlink_set_up(host, name, err) < 0 ||
                   netlink_add_address(inside, outer_interface,
                                       slot_sandbox_address(instance, slot), 31, err) < 0 ||
                   netlink_set_up(inside, outer_interface, err) < 0 ||
                   netlink_add_default_route(inside, slot_host_address(instance, slot), err) < 0
               ? -1
               : 0;
}

static int make_tap(struct mnl_socket *inside, const char *name, const char *hardware_address,
                    const char *own, const char *guest, const char *guest_hardware_address,
                    struct error *err)
{
    auto_close int fd = tap_open(name, hardware_address, err);
    if (fd < 0 ||
        netlink_add_address(inside, name, address_of(own), GUEST_PREFIX_LENGTH, err) < 0 ||
        netlink_set_up(inside, name, err) < 0 ||
        neighbor_set(name, address_of(guest), guest_hardware_address, err) < 0) {
        return -1;
    }
    return take_fd(&fd);
}

/* The guest's loopback is reached at 127.0.0.1 from here: this namespace has none of its own. */
static int route_loopback(struct mnl_socket *inside, struct error *err)
{
    return write_option("ipv4/conf/" GUEST_TAP "/route_localnet", "1", err) < 0 ||
                   netlink_add_route(inside, address_of("127.0.0.0"), LOOPBACK_PREFIX,
                                     address_of(GUEST_ADDRESS), GUEST_TAP, err) < 0
               ? -1
               : 0;
}

int launch_network(struct launch *launch, struct error *err)
{
    auto_netlink struct mnl_socket *host = netlink_open(err);
    if (!host) {
        return -1;
    }
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make namespaces");
    }
    auto_netlink struct mnl_socket *inside = netlink_open(err);
    if (!inside || set_options(err) < 0) {
        return -1;
    }
    launch->agent_tap =
        make_tap(inside, GUEST_AGENT_TAP, GUEST_AGENT_TAP_MAC, GUEST_AGENT_HOST_ADDRESS,
                 GUEST_AGENT_ADDRESS, GUEST_AGENT_MAC, err);
    launch->guest_tap = make_tap(inside, GUEST_TAP, GUEST_TAP_MAC, GUEST_GATEWAY_ADDRESS,
                                 GUEST_ADDRESS, GUEST_MAC, err);
    if (launch->agent_tap < 0 || launch->guest_tap < 0 || route_loopback(inside, err) < 0) {
        return -1;
    }
    return launch->machine->network ? make_veth(launch, host, inside, err) : 0;
}

int launch_filter(const struct launch *launch, struct error *err)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    (void)launch;
    return process_run(argv, filter, err) < 0 ? error_prefix(err, "filter a machine's packets") : 0;
}
