#include "engine/slot_usage.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t interface_bytes(const char *interface, const char *counter)
{
    char path[96];
    auto_free char *text = NULL;
    if (!interface) {
        return 0;
    }
    snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", interface, counter);
    return read_file_at(AT_FDCWD, path, 64, &text) > 0 ? strtoll(text, NULL, 10) : 0;
}

struct engine_usage slot_usage_read(const struct cgroup_host *cgroups, const char *cgroup,
                                    const char *interface)
{
    struct cgroup_usage usage = {0};
    cgroup_usage(cgroups, cgroup, &usage);
    return (struct engine_usage){
        .cpu_us = usage.cpu_us,
        .memory_bytes = usage.memory_bytes,
        .memory_peak_bytes = usage.memory_peak_bytes,
        .process_count = usage.process_count,
        .oom_kills = usage.oom_kills,
        /* What the host's end sends is what the sandbox receives. */
        .net_rx_bytes = interface_bytes(interface, "tx_bytes"),
        .net_tx_bytes = interface_bytes(interface, "rx_bytes"),
    };
}

int64_t slot_usage_oom_kills(const struct cgroup_host *cgroups, const char *cgroup)
{
    struct cgroup_usage usage = {0};
    cgroup_usage(cgroups, cgroup, &usage);
    return usage.oom_kills < 0 ? 0 : usage.oom_kills;
}
