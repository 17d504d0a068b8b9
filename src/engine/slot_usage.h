/* What the processes of a slot have used, as the host counts it. */
#ifndef ATOLL_ENGINE_SLOT_USAGE_H
#define ATOLL_ENGINE_SLOT_USAGE_H

#include "engine/engine.h"
#include "linux/cgroup.h"

/* Everything but disk_used_bytes, which is 0. interface: the host's end of its network, or NULL. */
struct engine_usage slot_usage_read(const struct cgroup_host *cgroups, const char *cgroup,
                                    const char *interface);

/* How many of its processes the kernel killed for memory. */
int64_t slot_usage_oom_kills(const struct cgroup_host *cgroups, const char *cgroup);

#endif
