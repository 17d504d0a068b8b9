"""The guest of virtual machines by itself: it boots, serves its agent, and copies of one state part ways."""

import contextlib
import time

import pytest

from harness import guest as guests
from harness.guest import Guest
from harness.wait import wait_until


DRAW = (
    "head -c 16 /dev/urandom | od -An -tx8; cat /proc/sys/kernel/random/uuid; "
    "python3 -c 'import random, uuid; print(random.random(), uuid.uuid4())'; cat /etc/machine-id"
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("guest")


@pytest.fixture(scope="module")
def saved(directory):
    """A state with a process that counts, and a command whose connection is lost with it."""
    with Guest(directory) as source:
        source.ready()
        source.ask("SESSION_START", ("SESSION_ID", "counter"), ("SESSION_KIND", 1), ("ARGUMENT", "bash"),
                   ("ARGUMENT", "-c"), ("ARGUMENT", "while :; do echo x >> /run/count; sleep 0.2; done"),
                   ("COMMAND", "count"), ("TIMEOUT_MS", 600_000))
        source.output("printf '%032x\\n' 7 > /etc/machine-id; " + DRAW)
        with source.start("sleep", "1000") as command:
            assert command.next()[0] == "STARTED"
            source.save()
        yield source


@pytest.fixture(scope="module")
def booted(directory, saved):
    with Guest(directory, source=saved) as guest:
        guest.identify()
        yield guest


def test_a_booted_guest_is_a_sandbox(booted):
    assert booted.output("id -u; hostname; pwd") == "0\nsandbox\n/root\n"
    mounts = {line.split()[1]: line.split()[2:4] for line in booted.output("cat /proc/mounts").splitlines()}
    assert mounts["/"][0] == "overlay" and "nosuid" in mounts["/"][1]
    assert mounts["/sys"][0] == "sysfs" and mounts["/sys"][1].startswith("ro")
    assert {"/dev/pts", "/dev/shm", "/run"} <= set(mounts)
    assert booted.output("touch /usr/x /workspace/y && ls -d /lost+found 2>/dev/null || echo none") == "none\n"
    assert booted.output("ls /dev").split() == sorted(
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
    )


def test_the_agents_link_is_not_the_sandboxs(booted):
    links = booted.output("ip -o link | cut -d ' ' -f 2").split()
    assert links == ["lo:", "eth0:"]
    peer = guests.NETWORK["GUEST_AGENT_HOST_ADDRESS"]
    script = f"import socket; socket.create_connection(('{peer}', 22), 2)"
    with booted.start("python3", "-c", script) as call:
        assert call.final()[1]["EXIT_CODE"] != 0
    # what a careless command does to the network leaves the agent's connection alone
    assert booted.output("ip link set eth0 down; sleep 0.1; ip link set eth0 up; echo kept") == "kept\n"
    booted.output(f"ip route replace default via {guests.NETWORK['GUEST_GATEWAY_ADDRESS']}")


def test_a_server_on_the_guests_loopback_is_reached_through_its_interface(booted):
    assert booted.output("cat /proc/sys/net/ipv4/conf/eth0/route_localnet") == "1\n"
    with booted.start("python3", "-u", "-m", "http.server", "80", "--bind", "0.0.0.0"):

        def connects():
            with contextlib.suppress(OSError), booted.connect(80) as connection:
                return connection

        wait_until(connects, 30, "the guest's server listens")


def test_root_cannot_take_the_kernel_away(booted):
    for command in ("import os, ctypes; l = ctypes.CDLL(None, use_errno=True); "
                    "print(l.reboot(0x01234567), ctypes.get_errno())",
                    "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.iopl(3), ctypes.get_errno())",
                    "import ctypes; l = ctypes.CDLL(None, use_errno=True); "
                    "print(l.syscall(175, b'', 0, b''), ctypes.get_errno())"):
        with booted.start("python3", "-c", command) as call:
            assert call.final()[2] == "-1 1\n"
    assert "memfd:atoll-agent" in booted.output("readlink /proc/1/exe")
    assert booted.output("(echo x > /proc/1/exe) 2>/dev/null || echo refused") == "refused\n"


def test_a_command_that_takes_all_memory_is_killed_alone(booted):
    with booted.start("sleep", "2000") as other:
        assert other.next()[0] == "STARTED"
        with booted.start("python3", "-c", "b = []\nwhile True: b.append(bytearray(16 << 20))") as hog:
            name, fields, _ = hog.final()
            assert (name, fields["EXIT_SIGNAL"], fields["OOM_KILLED"]) == ("EXIT", 9, 1)
        assert booted.output("echo fine") == "fine\n"
        assert booted.output("pgrep -c -f -x 'sleep 2000'") == "1\n"


def test_identity_is_checked_before_it_is_taken(booted):
    for fields in ([("TIME_US", 1)], [("ENTROPY", b"short")], [("HOSTNAME", "a b")], [("ADDRESS", "\n")]):
        with booted.call("IDENTITY", *fields) as call:
            assert call.final()[:2][0] == "ERROR"


def test_what_the_api_wrote_survives_the_end_of_qemu(directory, saved):
    """Nothing is lost by a kill -9 that the agent has said is written."""
    with Guest(directory, source=saved) as first:
        first.identify()
        first.write("/workspace/deep/er/file", b"kept" * 10000)
        first.write("/workspace/renamed", b"1")
        first.ask("FILE_RENAME", ("PATH", "/workspace/renamed"), ("TARGET", "/workspace/name"))
        first.ask("FILE_MKDIR", ("PATH", "/workspace/a/b/c"), ("RECURSIVE", 1))
        first.ask("FILE_CHMOD", ("PATH", "/workspace/name"), ("MODE", 0o640))
        first.process.kill()
        first.process.wait()
        with Guest(directory, disk=first.directory / "disk") as second:
            second.ready()
            script = "wc -c < /workspace/deep/er/file; stat -c %a /workspace/name; ls -d /workspace/a/b/c"
            assert second.output(script) == "40000\n640\n/workspace/a/b/c\n"


def test_a_guest_that_cannot_start_says_why_and_panics(directory):
    with Guest(directory, bare=True) as guest:
        assert guest.ended() == 1
        assert "atoll-guest-init: no network interface has the address" in guest.console()


def test_a_probe_needs_no_devices(directory):
    with Guest(directory, arguments=guests.BOOT["GUEST_PROBE_ARGUMENT"], bare=True) as guest:
        assert guest.ended() == 0
        assert guests.BOOT["GUEST_PROBE_WORD"] in guest.console()


def test_copies_of_one_state_part_ways(directory, saved):
    drawn = []
    for number in (1, 2):
        with Guest(directory, source=saved) as copy:
            copy.identify(HOSTNAME=f"copy-{number}", ADDRESS="10.200.0.2", RESOLVERS="192.0.2.1", NEW_IDENTITY=1)
            before = time.time()
            told = float(copy.output("date +%s.%N"))
            assert before - 0.05 <= told <= time.time() + 0.05, "the clock is not the host's"
            drawn.append(copy.output(DRAW).split())
            assert copy.output("hostname; cat /etc/hostname") == f"copy-{number}\n" * 2
            assert copy.output("cat /etc/hosts") == f"127.0.0.1\tlocalhost\n10.200.0.2\tcopy-{number}\n"
            assert copy.output("cat /etc/resolv.conf") == "nameserver 192.0.2.1\n"
            # the session goes on, the command whose connection was saved has ended
            count = int(copy.output("wc -l < /run/count"))
            wait_until(lambda: int(copy.output("wc -l < /run/count")) > count, 30, "the counter goes on")
            wait_until(lambda: copy.output("pgrep -f '[s]leep 1000' || echo gone") == "gone\n", 30, "the command ended")
            states = copy.ask("SESSION_GET", ("SESSION_ID", "counter"))
            assert states["SESSION_STATE"] == 1
    assert not set(drawn[0]) & set(drawn[1])
