"""Where memory is: the machine's counters, and the processes of an instance."""
import os

KERNEL_COUNTERS = ("MemAvailable", "SUnreclaim", "SReclaimable", "KernelStack", "PageTables", "Percpu",
                   "VmallocUsed", "Shmem", "AnonPages")


def counters():
    """Kernel counters in KiB."""
    values = {}
    with open("/proc/meminfo", encoding="utf-8") as lines:
        for line in lines:
            name, _, rest = line.partition(":")
            if name in KERNEL_COUNTERS:
                values[name] = int(rest.split()[0])
    return values


def pss_kb(pid):
    """What the process costs: its own pages and its share of shared ones."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _parents():
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as text:
                parents[int(name)] = int(text.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents


def descendants(pid):
    parents = _parents()
    found = {pid}
    grown = True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found - {pid}


def _memory_cgroup(pid):
    """The directory that accounts the process's memory, on v1, hybrid and v2 hosts; or None."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as lines:
            rows = [line.strip().split(":", 2) for line in lines]
    except (FileNotFoundError, ProcessLookupError):
        return None
    for _, controllers, path in rows:
        if "memory" in controllers.split(","):
            return f"/sys/fs/cgroup/memory{path}"
    return next((f"/sys/fs/cgroup{path}" for number, _, path in rows if number == "0"), None)


def cgroups_kb(pids):
    """What the kernel charges to the processes' control groups: their pages, caches and kernel objects."""
    total = 0
    for directory in {_memory_cgroup(pid) for pid in pids} - {None}:
        for name in ("memory.current", "memory.usage_in_bytes"):
            if os.path.exists(f"{directory}/{name}"):
                with open(f"{directory}/{name}", encoding="utf-8") as text:
                    total += int(text.read()) // 1024
                break
    return total
