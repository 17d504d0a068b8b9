"""CVE-2022-0492: no way out by cgroups."""

import pathlib

from harness.wait import wait_until

MOUNTS = [
    "mkdir -p /tmp/cg && mount -t cgroup -o memory cgroup /tmp/cg",
    "mkdir -p /tmp/cg && mount -t cgroup -o rdma cgroup /tmp/cg",
    "mkdir -p /tmp/cg && mount -t cgroup2 none /tmp/cg",
    "unshare -UrmC mount -t cgroup -o rdma cgroup /tmp/cg",
    "unshare -UrC sh -c 'mount -t cgroup2 none /tmp/cg'",
]


def release_agents():
    return {
        str(path): path.read_text()
        for root in pathlib.Path("/sys/fs/cgroup").iterdir()
        for path in root.glob("release_agent")
    }


def test_hierarchies_cannot_be_mounted(shared_sandbox):
    for command in MOUNTS:
        assert shared_sandbox.exec(command)["exit_code"] != 0, command


def test_release_agents_stay_the_hosts(shared_sandbox):
    before = release_agents()
    told = shared_sandbox.exec(
        "for f in $(find / -name release_agent -o -name notify_on_release 2>/dev/null); "
        "do echo /x > $f && echo WROTE $f; done"
    )
    assert "WROTE" not in told["stdout"]
    assert release_agents() == before


def test_limits_cannot_be_lifted_from_inside(shared_sandbox):
    told = shared_sandbox.exec(
        "find / \\( -name 'memory.*_in_bytes' -o -name memory.max -o -name pids.max -o -name 'cpu.cfs*' "
        "-o -name cpu.max -o -name cgroup.procs \\) 2>/dev/null; find /sys -writable -not -type l 2>/dev/null"
    )
    assert told["stdout"] == ""


def test_a_command_stays_in_its_sandboxes_cgroups_whatever_it_does(instance, sandbox):
    """A process that became a daemon with a session of its own, as the host sees it."""
    sandbox.output("(setsid setsid sleep 4242 &)")

    def daemon():
        for pid, name in instance.resources()["processes"].items():
            if name != "sleep":
                continue
            try:
                if b"4242" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pathlib.Path(f"/proc/{pid}/cgroup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended since it was listed
        return None

    for line in wait_until(daemon, 20, "the daemon runs").splitlines():
        controllers, path = line.split(":")[1:]
        if controllers in ("memory", "pids", ""):
            assert "/atoll-" in path, line
