"""Virtual machines: their shape in tests, the directory of their seeds, the processes behind them."""

import json
import os
import pathlib
import subprocess

# One shape for all, because booting a seed takes seconds.
SHAPE = {"engine": "vm", "cpu_count": 1, "memory_mb": 512, "disk_mb": 512}


def seeds(root):
    """The directory of seeds for a run of tests; one that the environment names is kept for the next run."""
    directory = pathlib.Path(os.environ.get("ATOLL_SEEDS") or root / "seeds")
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def _open_files(pid):
    try:
        return [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


def machines(instance):
    """The process ids of the instance's QEMUs."""
    return [int(pid) for pid, name in instance.resources()["processes"].items() if name.startswith("qemu")]


def machine_of(instance, sandbox):
    """The process id of the QEMU that a sandbox runs in: the one with its disk open."""
    found = [pid for pid in machines(instance) if any(sandbox.id in path for path in _open_files(pid))]
    assert len(found) == 1, f"{sandbox.id} has these machines: {found}"
    return found[0]


def address_of(instance, sandbox):
    """The address of a machine's network on this machine, by which it goes out."""
    command = ["nsenter", "-t", str(machine_of(instance, sandbox)), "-n", "ip", "-j", "-4", "addr", "show", "eth0"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(told)[0]["addr_info"][0]["local"]


def crash(sandbox):
    """Lets the guest's kernel panic; nobody answers afterwards."""
    sandbox.client.post(f"{sandbox.path}/exec", {"command": "echo c > /proc/sysrq-trigger", "timeout": 5})
