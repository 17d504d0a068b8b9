#include "engine/container/parked.h"

#include "base/cleanup.h"
#include "engine/container/privileges.h"
#include "linux/network.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/*
 * What a sandbox needs and what costs time, made before anybody asks. All namespaces but the user
 * namespace belong to the host's, so that root of the sandbox has no power over them.
 */

enum { BACKLOG = 256 };

static const char inner_interface[] = "eth0";

/* Moves into the slot's cgroups, with the limits of a sandbox that asks for nothing special. */
static int enter_cgroups(struct parked *parked, struct error *err)
{
    const struct cgroup_host *host = &parked->engine->cgroups;
    const char *name = parked->slot->cgroup;
    if (cgroup_make(host, name, err) < 0 ||
        cgroup_limit(host, name, &parked->engine->spare_limits, err) < 0 ||
        cgroup_join(host, name, err) < 0) {
        return -1;
    }
    if (unshare(CLONE_NEWCGROUP) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make a cgroup namespace");
    }
    if (cgroup_delegate(host, name, parked->uid_base, &parked->cgroup, err) < 0) {
        return -1;
    }
    parked->counter = cgroup_open_oom_counter(host, name);
    return parked->counter < 0 ? error_set(err, ERR_ENGINE, errno, "open the counter of OOM kills")
                               : 0;
}

static int write_sysctl(const char *name, const char *value)
{
    char path[96];
    snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, value, strlen(value)) < 0 ? -1 : 0;
}

/* Ports below 1024 and ping work for every user. Only lo keeps IPv6: there is no IPv6 egress, and
 * programs that find an address would wait for it. */
static int set_network_options(struct error *err)
{
    if (write_sysctl("ipv4/ip_unprivileged_port_start", "0") < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "set the first unprivileged port");
    }
    if (write_sysctl("ipv4/ping_group_range", "0 4294967294") < 0) {
        write_sysctl("ipv4/ping_group_range", "0 2147483647"); /* before Linux 6.4 */
    }
    write_sysctl("ipv6/conf/default/disable_ipv6", "1"); /* absent when the host has no IPv6 */
    return 0;
}

static int make_interface(struct parked *parked, struct mnl_socket *host, struct mnl_socket *inside,
                          struct error *err)
{
    int instance = parked->engine->context.instance, index = parked->slot->index;
    auto_close int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (netns < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the network namespace");
    }
    return netlink_make_veth(host, parked->slot->interface, inner_interface, netns, err) < 0 ||
                   netlink_add_address(host, parked->slot->interface,
                                       slot_host_address(instance, index), 31, err) < 0 ||
                   netlink_set_up(host, parked->slot->interface, err) < 0 ||
                   netlink_add_address(inside, inner_interface,
                                       slot_sandbox_address(instance, index), 31, err) < 0 ||
                   netlink_set_up(inside, inner_interface, err) < 0 ||
                   netlink_add_default_route(inside, slot_host_address(instance, index), err) < 0
               ? -1
               : 0;
}

static int enter_network(struct parked *parked, struct error *err)
{
    auto_netlink struct mnl_socket *host = netlink_open(err);
    if (!host) {
        return -1;
    }
    if (unshare(CLONE_NEWNET) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make a network namespace");
    }
    auto_netlink struct mnl_socket *inside = netlink_open(err);
    if (!inside || netlink_set_up(inside, "lo", err) < 0 || set_network_options(err) < 0) {
        return -1;
    }
    return parked->slot->network ? make_interface(parked, host, inside, err) : 0;
}

/* Made inside of the sandbox's network namespace, so that no socket of the host's is in the sandbox;
 * reachable only by its path, which lies outside. */
static int listen_for_agent(struct parked *parked, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = parked->slot->agent_socket;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    parked->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (parked->listener < 0 ||
        bind(parked->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chown(path, 0, parked->engine->context.group_id) < 0 || chmod(path, 0660) < 0 ||
        listen(parked->listener, BACKLOG) < 0) {
        return error_set(err, ERR_ENGINE, errno, "listen on %s", path);
    }
    return 0;
}

static int open_directories(struct parked *parked, struct error *err)
{
    parked->disks = open(parked->engine->disks_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    parked->dev = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return parked->disks < 0 || parked->dev < 0
               ? error_set(err, ERR_ENGINE, errno, "open the disks' directory")
               : 0;
}

int parked_prepare(struct parked *parked, struct error *err)
{
    /* While the host's programs are still in reach. Spares and usual sizes have one already. */
    if (disk_make_blank(parked->engine, parked->slot->disk_bytes, err) < 0) {
        return -1;
    }
    if (enter_cgroups(parked, err) < 0 || enter_network(parked, err) < 0 ||
        listen_for_agent(parked, err) < 0 || open_directories(parked, err) < 0) {
        return -1;
    }
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make namespaces");
    }
    /* The mounts bring a /proc of the new pid namespace, in which the next step finds its child. */
    if (parked_mounts_prepare(parked, err) < 0) {
        return -1;
    }
    parked->userns = privileges_make_user_namespace(parked->uid_base, SLOT_UID_COUNT, err);
    if (parked->userns < 0 || parked_disk_prepare(parked, err) < 0) {
        return -1;
    }
    const struct template_root *root = &parked->slot->root;
    return root->inode != 0 ? parked_root_mount(parked, root->image, err) : 0;
}
