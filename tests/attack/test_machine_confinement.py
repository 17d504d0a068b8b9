"""A guest that took over its QEMU has taken over nothing else: what that process is and what it can reach."""

import os
import pathlib
import pwd
import stat
import subprocess

import pytest

from harness import vm
from harness.network import Segment, reached
from harness.resources import instance_number

pytestmark = pytest.mark.engines("vm")


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def with_its_parent(instance, sandbox):
    """The machine's QEMU and its supervisor."""
    machine = vm.machine_of(instance, sandbox)
    return [machine, int(status(machine)["PPid"][0])]


def namespace(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def test_its_processes_have_no_privilege(instance, make_sandbox):
    boxes = [make_sandbox(), make_sandbox()]
    users = []
    for box in boxes:
        for pid in with_its_parent(instance, box):
            told = status(pid)
            assert len(set(told["Uid"])) == len(set(told["Gid"])) == 1
            assert int(told["Uid"][0]) >= 100_000 and int(told["Gid"][0]) >= 100_000, told["Uid"]
            assert told["Groups"] == []
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(told[kind][0], 16) == 0, (kind, told[kind])
            assert told["NoNewPrivs"] == ["1"]
            assert told["Seccomp"] == ["2"], told["Name"]
        users.append(status(vm.machine_of(instance, box))["Uid"][0])
    assert users[0] != users[1]


def test_its_processes_live_in_namespaces_of_their_own(instance, make_sandbox):
    boxes = [make_sandbox(), make_sandbox()]
    for kind in ("net", "mnt", "ipc", "uts", "pid"):
        seen = {namespace("self", kind)}
        for box in boxes:
            own = namespace(vm.machine_of(instance, box), kind)
            assert own not in seen, kind
            seen.add(own)


def test_no_file_of_the_host_is_in_sight(instance, sandbox):
    for pid in with_its_parent(instance, sandbox):
        root = pathlib.Path(f"/proc/{pid}/root")
        for path in ("etc/shadow", "root", "home", "var/lib/atoll", str(instance.state)[1:], "run", "bin", "tmp"):
            assert not (root / path).exists(), path
        assert {path.name for path in root.glob("usr/bin/*")} <= {"qemu-system-x86_64"}
        assert {path.name for path in root.glob("etc/*")} <= {"ld.so.cache"}
        mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        for line in mounts:
            target, options = line.split()[4:6]
            writable = "rw" in options.split(",")
            kind = line.split(" - ")[1].split()[0]
            assert not writable or kind in ("tmpfs", "proc", "devtmpfs", "devpts"), line
            assert kind not in ("sysfs", "cgroup", "cgroup2", "debugfs"), line
            assert str(instance.state) not in target, line


ALLOWED_TARGETS = ("/dev/null", "/dev/net/tun", "/dev/kvm", "/dev/urandom", "/dev/zero")
ALLOWED_KINDS = ("pipe:", "socket:", "anon_inode:", "/memfd:")


def test_its_descriptors_are_its_own(instance, make_sandbox):
    box, other = make_sandbox(), make_sandbox()
    for pid in with_its_parent(instance, box):
        for number in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            if target.startswith(ALLOWED_KINDS) or target in ALLOWED_TARGETS:
                continue
            assert other.id not in target, target
            info = os.stat(f"/proc/{pid}/fd/{number}")
            assert stat.S_ISREG(info.st_mode), (number, target)
            flags = int(pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text().split("flags:")[1].split()[0], 8)
            writable = flags & os.O_ACCMODE != os.O_RDONLY
            assert not writable or box.id in target or target.endswith(".words"), (number, target)


def test_what_it_writes_is_shared_with_nobody(instance, make_sandbox):
    """The files that it may write to have one name: no snapshot, seed or other sandbox has the same."""
    box = make_sandbox()
    make_sandbox()
    pid = vm.machine_of(instance, box)
    seen = 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        info = os.stat(f"/proc/{pid}/fd/{number}")
        flags = int(pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text().split("flags:")[1].split()[0], 8)
        if stat.S_ISREG(info.st_mode) and flags & os.O_ACCMODE != os.O_RDONLY:
            assert info.st_nlink <= 1, os.readlink(f"/proc/{pid}/fd/{number}")
            seen += 1
    assert seen > 0


def unix_sockets(directory):
    return [path for path in directory.rglob("*") if path.is_socket()]


def test_its_monitor_listens_to_root_only(instance, sandbox):
    assert sandbox.output("echo alive") == "alive\n"
    sockets = [path for path in unix_sockets(instance.state) if path.name != "host.sock"]
    agents = instance.state / "run" / "agent"
    monitors = [path for path in sockets if agents not in path.parents]
    assert monitors, f"no monitor among {sockets}"
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for user in ("nobody", instance.environment["ATOLL_USER"]):
        entry = pwd.getpwnam(user)
        for path in monitors:
            command = ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--init-groups"]
            done = subprocess.run(
                [*command, "/usr/bin/python3", "-c", code, str(path)], capture_output=True, text=True, check=False
            )
            assert "PermissionError" in done.stderr, (user, path, done.stderr)


def test_saved_state_is_readable_by_root_only(instance, sandbox):
    sandbox.client.ok(sandbox.client.post(f"{sandbox.path}/snapshots", {}))
    sandbox.pause()
    top = instance.state / "vm"
    for place in (top / "sandboxes", top / "snapshots"):
        assert place.stat().st_uid == 0 and place.stat().st_mode & 0o077 == 0, place
        for directory in place.iterdir():
            assert directory.stat().st_uid == 0 and directory.stat().st_mode & 0o077 == 0, directory
    for seed in pathlib.Path(instance.environment["ATOLL_SEEDS"]).iterdir():
        assert seed.stat().st_uid == 0 and seed.stat().st_mode & 0o077 == 0, seed


def test_it_is_limited_like_every_sandbox(instance, sandbox):
    cgroups = pathlib.Path(f"/proc/{vm.machine_of(instance, sandbox)}/cgroup").read_text()
    assert f"atoll-{instance_number(instance.state)}/" in cgroups


# --- from inside ---

AGENT = "169.254.64.2"
AROUND = ("169.254.64.1", "10.200.0.1", AGENT)


def test_the_guest_reaches_neither_agent_nor_what_is_around_it(instance, make_sandbox, neighbour):
    box = make_sandbox()
    ports = (1, 22, 53, 80, 4444, instance.port)
    assert reached(box, [(address, port) for address in AROUND for port in ports]) == []
    assert "169.254.64" not in box.output("ip -4 addr; ip -4 route")
    neighbour.check()


def test_the_guest_cannot_be_anybody_else_on_its_link(make_sandbox, neighbour):
    """Root inside may set any address: what comes from it is still only its own."""
    box = make_sandbox()
    box.exec(
        "ip addr add 169.254.64.1/24 dev eth0; ip addr add 10.200.0.1/24 dev eth0; ip addr add 100.64.0.9/8 dev eth0;"
        " ip route replace default dev eth0; arping -c 1 -U -I eth0 10.200.0.1; true"
    )
    neighbour.check()
    assert box.output("echo alive") == "alive\n"


def test_links_that_the_guest_spoils_do_not_cost_its_agent(make_sandbox):
    box = make_sandbox()
    box.exec("ip link set eth0 down; ip link set lo down; ip addr flush dev eth0; ip route flush table main")
    assert box.output("echo alive") == "alive\n"
    box.pause()
    box.resume()
    assert box.output("echo alive") == "alive\n"


def test_a_guest_that_answers_nonsense_as_its_agent(instance, make_sandbox, neighbour):
    """Root inside kills the agent's way out and the API still ends the sandbox."""
    box = make_sandbox()
    box.client.post(f"{box.path}/exec", {"command": "kill -STOP 1; kill -9 -1; echo f > /proc/sysrq-trigger", "timeout": 5})
    neighbour.check()
    assert box.destroy()["state"] == "destroyed"


def test_flooding_console_and_kernel_log_fills_nothing_outside(instance, make_sandbox, neighbour):
    box = make_sandbox()
    used = lambda: sum(path.stat().st_size for path in (instance.state / "log").iterdir())
    before = used()
    box.output(
        "for i in $(seq 20); do head -c 100000 /dev/zero | tr '\\0' x; echo; done | tee /dev/kmsg /dev/ttyS0 > /dev/console"
        " 2>/dev/null; true",
        timeout_seconds=120,
    )
    neighbour.check()
    assert used() - before < 1 << 20
    assert box.output("echo alive") == "alive\n"


def test_its_virtual_hardware_is_small(sandbox):
    """Every device is code that a guest can attack: what is there is what a sandbox needs."""
    listed = sandbox.output("for d in /sys/bus/pci/devices/*; do cat $d/vendor $d/device | paste - -; done").splitlines()
    kinds = [tuple(line.split()) for line in listed]
    allowed = {
        ("0x8086", "0x1237"),  # the host bridge and what comes with it
        ("0x8086", "0x7000"),
        ("0x8086", "0x7010"),
        ("0x8086", "0x7113"),
        ("0x1af4", "0x1000"),  # virtio: network, disk, entropy
        ("0x1af4", "0x1001"),
        ("0x1af4", "0x1005"),
    }
    assert set(kinds) <= allowed, set(kinds) - allowed
    assert kinds.count(("0x1af4", "0x1000")) == 2
    assert sandbox.exec("ls /dev/fd0 /dev/sr0 /dev/fb0 /dev/dri /dev/input/mice")["exit_code"] != 0


# Binds to any address, which root in a machine of its own may do, and connects from there.
CONNECT_FROM = """
import socket, sys
TRANSPARENT = 19
connection = socket.socket()
connection.settimeout(3)
if sys.argv[1] != "-":
    connection.setsockopt(socket.SOL_IP, TRANSPARENT, 1)
    connection.bind((sys.argv[1], 0))
connection.connect((sys.argv[2], int(sys.argv[3])))
print("connected")
"""


def test_packets_with_a_forged_source_go_nowhere(fresh_instance):
    instance = fresh_instance(allow_private="10.78.0.0/24", spare_slots=1)
    client = instance.client()
    with client.create(**vm.SHAPE) as box, client.create(**vm.SHAPE) as neighbour, Segment("10.78.0.9") as segment:
        segment.reachable_from_host()

        def connects(source):
            command = ["python3", "-c", CONNECT_FROM, source, segment.address, str(segment.port)]
            return box.exec(command, timeout=30)["stdout"] == "connected\n"

        assert connects("-")
        for forged in (vm.address_of(instance, neighbour), vm.address_of(instance, box), "198.51.100.7", "127.0.0.1"):
            assert not connects(forged), forged
        assert connects("-")
