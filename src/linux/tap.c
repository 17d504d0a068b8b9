#include "linux/tap.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* 0, or -1 when text is no hardware address. */
static int put_hardware_address(struct sockaddr *target, const char *text)
{
    struct ether_addr octets;
    if (!ether_aton_r(text, &octets)) {
        errno = EINVAL;
        return -1;
    }
    target->sa_family = ARPHRD_ETHER;
    memcpy(target->sa_data, &octets, sizeof(octets));
    return 0;
}

int tap_open(const char *name, const char *hardware_address, struct error *err)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct ifreq address = {0};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    auto_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "open /dev/net/tun");
    }
    if (ioctl(fd, TUNSETIFF, &request) < 0 ||
        put_hardware_address(&address.ifr_hwaddr, hardware_address) < 0 ||
        ioctl(fd, SIOCSIFHWADDR, &address) < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "make the interface %s", name);
    }
    return take_fd(&fd);
}

int neighbor_set(const char *name, struct in_addr address, const char *hardware_address,
                 struct error *err)
{
    struct arpreq request = {.arp_flags = ATF_COM | ATF_PERM};
    struct sockaddr_in neighbor = {.sin_family = AF_INET, .sin_addr = address};
    memcpy(&request.arp_pa, &neighbor, sizeof(neighbor));
    snprintf(request.arp_dev, sizeof(request.arp_dev), "%s", name);
    auto_close int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0 || put_hardware_address(&request.arp_ha, hardware_address) < 0 ||
        ioctl(control, SIOCSARP, &request) < 0) {
        return error_set(err, ERR_ENGINE, errno, "set a neighbour on %s", name);
    }
    return 0;
}
