#include "linux/cgroup.h"

#include <inttypes.h>
#include <stdio.h>

static int write_int(const char *mount_point, const char *name, const char *file, int64_t value,
                     struct error *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, value);
    return cgroup_write(mount_point, name, file, text, err);
}

/* The limit with swap may never be below the one without, so the order depends on the old values. */
static int limit_memory(const struct cgroup_host *host, const char *name, int64_t bytes,
                        struct error *err)
{
    static const char plain[] = "memory.limit_in_bytes", swap[] = "memory.memsw.limit_in_bytes";
    struct error ignored;
    if (write_int(host->memory, name, plain, bytes, &ignored) == 0) {
        write_int(host->memory, name, swap, bytes, &ignored);
        return 0;
    }
    write_int(host->memory, name, swap, bytes, &ignored);
    return write_int(host->memory, name, plain, bytes, err);
}

static int limit(const struct cgroup_host *host, const char *name,
                 const struct cgroup_limits *limits, struct error *err)
{
    if (write_int(host->cpu, name, "cpu.cfs_period_us", CGROUP_CPU_PERIOD_US, err) < 0 ||
        write_int(host->cpu, name, "cpu.cfs_quota_us", limits->cpu_count * CGROUP_CPU_PERIOD_US,
                  err) < 0 ||
        limit_memory(host, name, limits->memory_bytes, err) < 0 ||
        write_int(host->pids, name, "pids.max", limits->process_count, err) < 0) {
        return -1;
    }
    return 0;
}

static int set_background(const struct cgroup_host *host, const char *name, bool background,
                          struct error *err)
{
    return write_int(host->cpu, name, "cpu.shares", background ? 128 : 1024, err);
}

static void usage(const struct cgroup_host *host, const char *name, struct cgroup_usage *usage)
{
    usage->cpu_us = cgroup_read_int(host->cpuacct, name, "cpuacct.usage") / 1000;
    usage->memory_bytes = cgroup_read_int(host->memory, name, "memory.usage_in_bytes");
    usage->memory_peak_bytes = cgroup_read_int(host->memory, name, "memory.max_usage_in_bytes");
    usage->process_count = cgroup_read_int(host->pids, name, "pids.current");
    usage->oom_kills = cgroup_read_key(host->memory, name, "memory.oom_control", "oom_kill");
}

static int open_oom_counter(const struct cgroup_host *host, const char *name)
{
    return cgroup_open_file(host->memory, name, "memory.oom_control");
}

const struct cgroup_controllers cgroup_v1_controllers = {.limit = limit,
                                                         .set_background = set_background,
                                                         .usage = usage,
                                                         .open_oom_counter = open_oom_counter};
