"""What one instance holds on this machine, by looking at the kernel's own lists."""

import json
import os
import pathlib
import re
import subprocess


def _lines(path):
    try:
        return pathlib.Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def instance_number(state):
    """The machine-wide number that names the instance's cgroups, interfaces and nft table."""
    text = _lines(state / "run" / "instance") + _lines(state / "instance")
    return int(text[0]) if text and text[0].isdigit() else None


def _cgroup_roots():
    for line in _lines("/proc/mounts"):
        _, target, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield target


def _cgroup_directories(number):
    """The instance's directory in every hierarchy, wherever the daemon was allowed to make it."""
    for root in _cgroup_roots():
        for directory, names, _ in os.walk(root):
            if f"atoll-{number}" in names:
                yield os.path.join(directory, f"atoll-{number}")
            names[:] = [name for name in names if not name.startswith("atoll-")]


def of_its_cgroups(pid, *files):
    """The number in the first such file that a control group of the process (not a hierarchy's root) has."""
    groups = {line.split(":", 2)[2] for line in _lines(f"/proc/{pid}/cgroup")} - {"/"}
    places = (f"{root}{group}/{file}" for root in _cgroup_roots() for group in groups for file in files)
    return int(next(text for place in places for text in _lines(place)))


def _slots(number):
    """Names of the slots that have a cgroup in any hierarchy."""
    slots = set()
    for directory in _cgroup_directories(number):
        _, names, _ = next(os.walk(directory), ("", [], []))
        slots |= set(names) - {"host"}
    return sorted(slots)


def _has_files_below(pid, state):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith(f"{state}/") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _processes(state, number):
    """Processes in the instance's cgroups, its daemons, and its machines wherever they are."""
    found = {}
    for directory in pathlib.Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            cgroups = (directory / "cgroup").read_text()
            environment = (directory / "environ").read_bytes().split(b"\0")
            name = (directory / "comm").read_text().strip()
        except OSError:
            continue
        if f"/atoll-{number}/" in cgroups or f"/atoll-{number}\n" in cgroups:
            found[directory.name] = name
        elif f"ATOLL_STATE={state}".encode() in environment and name in ("atoll-host", "atolld"):
            found[directory.name] = name
        elif name.startswith("qemu") and _has_files_below(directory.name, state):
            found[directory.name] = name
    return found


def waits_for_a_message(pid):
    recvfrom = "45"  # as x86-64 numbers it
    return [line.split()[0] for line in _lines(f"/proc/{pid}/syscall")] == [recvfrom]


def pid_inside(pid):
    """A process's id in its innermost namespace."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return None


def _interfaces(number):
    return sorted(
        path.name for path in pathlib.Path("/sys/class/net").iterdir() if re.fullmatch(rf"at{number}s\d+", path.name)
    )


def _mounts(state):
    return sorted(line.split()[1] for line in _lines("/proc/mounts") if str(state) in line)


def _loop_devices(state):
    done = subprocess.run(["losetup", "--list", "--json"], capture_output=True, text=True, check=False)
    devices = json.loads(done.stdout)["loopdevices"] if done.stdout.strip() else []
    return sorted(device["name"] for device in devices if str(state) in (device["back-file"] or ""))


def _tables(number):
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if re.search(rf"\batoll_{number}\b", line)]


def _names(directory, pattern="*"):
    return sorted(path.name for path in directory.glob(pattern)) if directory.exists() else []


# Files of sandboxes and snapshots, which outlive the daemons.
KEPT = ("disks", "snapshots", "machines", "machines' snapshots", "machines' trash")


def of_instance(state, number=None):
    """number: for an instance that has ended and forgotten its number."""
    if number is None:
        number = instance_number(state)
    numbered = number is not None
    return {
        "slots": _slots(number) if numbered else [],
        "processes": _processes(state, number) if numbered else {},
        "interfaces": _interfaces(number) if numbered else [],
        "tables": _tables(number) if numbered else [],
        "mounts": _mounts(state),
        "loops": _loop_devices(state),
        "disks": [name for name in _names(state / "disks") if "sbx_" in name],
        "snapshots": _names(state / "snapshots"),
        "machines": _names(state / "vm" / "sandboxes"),
        "machines' snapshots": _names(state / "vm" / "snapshots"),
        "machines' trash": _names(state / "vm" / "trash"),
        "machines made ahead": _names(state / "vm" / "pool"),
        "agent sockets": _names(state / "run" / "agent"),
        "records": _names(state / "run" / "records"),
    }


def growth(before, after):
    """Kinds of which there is more than before, with what there is now."""
    return {kind: after[kind] for kind in after if len(after[kind]) > len(before[kind])}
