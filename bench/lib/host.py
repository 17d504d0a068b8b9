"""Facts about the machine that a figure means nothing without."""
import datetime
import os
import platform
import subprocess


def _first_line(path, prefix):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(prefix):
                return line.split(":", 1)[1].strip()
    return ""


def cgroup_kind():
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return "v2"
    return "hybrid" if os.path.isdir("/sys/fs/cgroup/unified") else "v1"


def commit(source):
    run = subprocess.run(["git", "-C", source, "rev-parse", "--short", "HEAD"], capture_output=True,
                         text=True, check=False)
    return run.stdout.strip()


def facts(source):
    cores = os.cpu_count()
    kernel = platform.release()
    short = ".".join(kernel.split(".")[:2])
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kind": f"{cores}core-linux{short}-{cgroup_kind()}",
        "cores": cores,
        "cpu": _first_line("/proc/cpuinfo", "model name"),
        "memory_mb": int(_first_line("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "kernel": kernel,
        "cgroups": cgroup_kind(),
        "commit": commit(source),
        "load_before": os.getloadavg()[0],
    }
