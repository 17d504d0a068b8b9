#include "linux/firewall.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "linux/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { RULES_MAX_BYTES = 32 * 1024 };

/* Every sandbox of every instance; no setting may open the way from one to another. */
static const char all_sandboxes[] = "100.64.0.0/15";

/* Loopback, private, link-local with metadata services, carrier NAT, benchmarks, multicast, reserved. */
static const char denied_ranges[] =
    "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
    "192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3";

/* "10.1.2.0/24" or one address. */
static int check_range(const char *range, struct error *err)
{
    char address[32];
    struct in_addr parsed;
    snprintf(address, sizeof(address), "%s", range);
    char *slash = strchr(address, '/'), *end = NULL;
    long length = 32;
    if (slash) {
        *slash = '\0';
        length = strtol(slash + 1, &end, 10);
    }
    if (inet_pton(AF_INET, address, &parsed) != 1 || length < 1 || length > 32 ||
        (slash && (*end || end == slash + 1))) {
        return error_set_field(err, ERR_VALIDATION, "allow_private",
                               "allow_private: '%s' is not an IPv4 range like 10.1.2.0/24", range);
    }
    return 0;
}

static int put_allowed(struct buffer *rules, const char *list, struct error *err)
{
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", list);
    char *rest = NULL;
    for (char *range = strtok_r(copy, ", ", &rest); range; range = strtok_r(NULL, ", ", &rest)) {
        if (check_range(range, err) < 0) {
            return -1;
        }
        buffer_printf(rules, "    ip daddr %s accept\n", range);
    }
    return 0;
}

static void put_forward(struct buffer *rules, const char *resolvers)
{
    buffer_printf(rules,
                  "  chain from_sandbox {\n"
                  "    meta nfproto ipv6 drop\n"
                  "    fib saddr . iif oif missing drop\n"
                  "    ct state established,related accept\n"
                  "    ip daddr %s reject with icmpx admin-prohibited\n"
                  "    ip daddr { %s } meta l4proto { tcp, udp } th dport 53 accept\n",
                  all_sandboxes, resolvers);
}

static int put_rules(struct buffer *rules, const struct firewall *firewall, struct error *err)
{
    int n = firewall->instance;
    char resolvers[128];
    resolvers_join(&firewall->resolvers, ", ", resolvers, sizeof(resolvers));
    /* Declared, deleted, made anew: one transaction, whether or not the table was there. */
    buffer_printf(rules, "table inet atoll_%d\ndelete table inet atoll_%d\ntable inet atoll_%d {\n",
                  n, n, n);
    put_forward(rules, resolvers);
    if (put_allowed(rules, firewall->allow_private, err) < 0) {
        return -1;
    }
    buffer_printf(rules,
                  "    ip daddr { %s } reject with icmpx admin-prohibited\n"
                  "    accept\n"
                  "  }\n"
                  "  chain forward {\n"
                  "    type filter hook forward priority filter; policy accept;\n"
                  "    iifname \"at%ds*\" jump from_sandbox\n"
                  "    oifname \"at%ds*\" ct state established,related accept\n"
                  "    oifname \"at%ds*\" drop\n"
                  "  }\n",
                  denied_ranges, n, n, n);
    /* A resolver on one of the host's own addresses is reached through input, not forward. */
    buffer_printf(rules,
                  "  chain input {\n"
                  "    type filter hook input priority filter; policy accept;\n"
                  "    iifname != \"at%ds*\" accept\n"
                  "    fib saddr . iif oif missing drop\n"
                  "    ct state established,related accept\n"
                  "    ip daddr { %s } meta l4proto { tcp, udp } th dport 53 accept\n"
                  "    reject with icmpx admin-prohibited\n"
                  "  }\n"
                  "  chain postrouting {\n"
                  "    type nat hook postrouting priority srcnat; policy accept;\n"
                  "    ip saddr %s oifname != \"at%ds*\" masquerade\n"
                  "  }\n}\n",
                  n, resolvers, firewall->network, n);
    return 0;
}

static int switch_forwarding_on(struct error *err)
{
    auto_close int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDWR | O_CLOEXEC);
    char now = '0';
    if (fd < 0 || read(fd, &now, 1) != 1 || (now != '1' && pwrite(fd, "1", 1, 0) != 1)) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno,
                         "switch IPv4 forwarding on (net.ipv4.ip_forward)");
    }
    return 0;
}

int firewall_load(const struct firewall *firewall, struct error *err)
{
    auto_buffer struct buffer rules = BUFFER_INIT(RULES_MAX_BYTES);
    static const char *const command[] = {"nft", "-f", "-", NULL};
    if (put_rules(&rules, firewall, err) < 0) {
        return -1;
    }
    if (process_run(command, rules.data, err) < 0) {
        return error_hint(err, "Install nftables (apt-get install nftables) and load the kernel's "
                               "nf_tables modules, then restart atoll.");
    }
    return switch_forwarding_on(err);
}

void firewall_remove(int instance)
{
    char table[32];
    snprintf(table, sizeof(table), "atoll_%d", instance);
    const char *const command[] = {"nft", "delete", "table", "inet", table, NULL};
    struct error ignored;
    process_run(command, NULL, &ignored);
}
