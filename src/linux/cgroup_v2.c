#include "linux/cgroup.h"

#include <inttypes.h>
#include <stdio.h>

static int limit(const struct cgroup_host *host, const char *name,
                 const struct cgroup_limits *limits, struct error *err)
{
    char cpu[48], memory[32], processes[32];
    snprintf(cpu, sizeof(cpu), "%" PRId64 " %d", limits->cpu_count * CGROUP_CPU_PERIOD_US,
             CGROUP_CPU_PERIOD_US);
    snprintf(memory, sizeof(memory), "%" PRId64, limits->memory_bytes);
    snprintf(processes, sizeof(processes), "%" PRId64, limits->process_count);
    if (cgroup_write(host->unified, name, "cpu.max", cpu, err) < 0 ||
        cgroup_write(host->unified, name, "memory.max", memory, err) < 0 ||
        cgroup_write(host->unified, name, "pids.max", processes, err) < 0) {
        return -1;
    }
    struct error ignored; /* a kernel without swap accounting has no such file */
    cgroup_write(host->unified, name, "memory.swap.max", "0", &ignored);
    return 0;
}

static int set_background(const struct cgroup_host *host, const char *name, bool background,
                          struct error *err)
{
    return cgroup_write(host->unified, name, "cpu.weight", background ? "12" : "100", err);
}

static void usage(const struct cgroup_host *host, const char *name, struct cgroup_usage *usage)
{
    usage->cpu_us = cgroup_read_key(host->unified, name, "cpu.stat", "usage_usec");
    usage->memory_bytes = cgroup_read_int(host->unified, name, "memory.current");
    usage->memory_peak_bytes = cgroup_read_int(host->unified, name, "memory.peak");
    if (usage->memory_peak_bytes < 0) { /* before Linux 5.19 */
        usage->memory_peak_bytes = usage->memory_bytes;
    }
    usage->process_count = cgroup_read_int(host->unified, name, "pids.current");
    usage->oom_kills = cgroup_read_key(host->unified, name, "memory.events", "oom_kill");
}

static int open_oom_counter(const struct cgroup_host *host, const char *name)
{
    return cgroup_open_file(host->unified, name, "memory.events");
}

const struct cgroup_controllers cgroup_v2_controllers = {.limit = limit,
                                                         .set_background = set_background,
                                                         .usage = usage,
                                                         .open_oom_counter = open_oom_counter};
