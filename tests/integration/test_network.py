"""Network of a sandbox: the internet yes; the host, neighbours, private and metadata addresses no."""

import socket
import subprocess

import pytest

from harness import vm
from harness.network import RESOLVE, Segment, listener, reach, reached
from harness.wait import wait_until


both = pytest.mark.engines("container", "vm")


@pytest.fixture(scope="module")
def box(client, engine):
    memory = {"memory_mb": 2048} if engine == "container" else {}
    with client.create(timeout_sec=1200, **memory) as made:
        yield made


@both
def test_names_are_resolved(box):
    assert box.output(RESOLVE).split()


def test_apt_get_installs_a_package(box):
    box.output("apt-get -qq update", timeout=240)
    box.output("apt-get -qq install -y --no-install-recommends hello", timeout=240)
    assert "Hello" in box.output("hello")


def test_npm_installs_a_package(box):
    box.output("mkdir -p /workspace/n && cd /workspace/n && npm init -y && npm install left-pad", timeout=240)
    told = box.output("cd /workspace/n && node -e \"console.log(require('left-pad')('7', 3, '0'))\"")
    assert told == "007\n"


@both
def test_servers_inside_answer_inside(box):
    box.output("nohup python3 -m http.server 80 >/dev/null 2>&1 & echo started")
    probe = "curl -sf -o /dev/null http://127.0.0.1:80/ && echo up || true"
    wait_until(lambda: box.output(probe) == "up\n", 20, "the server inside answers")


@both
def test_ping_works_without_privilege(box):
    assert box.exec("ping -c 1 -W 5 127.0.0.1", user="sandbox")["exit_code"] == 0


def host_addresses():
    told = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout
    return [address for address in told.split() if ":" not in address][:30]


@both
def test_the_host_cannot_be_reached(instance, box):
    with listener("0.0.0.0") as port:
        gateway = box.output("ip route show default").split()[2]
        addresses = [*host_addresses(), gateway, "127.0.0.1"]
        assert reached(box, [(each, port) for each in addresses]) == []
        assert reached(box, [(each, instance.port) for each in addresses]) == []


def address_of(instance, sandbox):
    """Its address on this machine; inside, all virtual machines have the same."""
    if sandbox.object["engine"] == "container":
        return sandbox.output("hostname -I").split()[0]
    return vm.address_of(instance, sandbox)


@both
def test_another_sandbox_cannot_be_reached(instance, box, make_sandbox):
    other = make_sandbox()
    address = address_of(instance, other)
    other.output("nohup python3 -m http.server 8000 --bind 0.0.0.0 >/dev/null 2>&1 & echo started")
    probe = "curl -sf -o /dev/null http://127.0.0.1:8000/ && echo up || true"
    wait_until(lambda: other.output(probe) == "up\n", 20, "the server inside answers")
    assert not reach(box, address, 8000)
    assert box.exec(f"ping -c 1 -W 2 {address}")["exit_code"] != 0


RANGES = ["169.254.169.254", "10.77.0.1", "172.20.0.1", "192.168.77.1", "100.127.255.1", "198.18.0.1"]


@both
@pytest.mark.parametrize("address", RANGES)
def test_private_and_metadata_addresses_cannot_be_reached(box, address):
    # A namespace that really owns the address and listens, so that only the filter can be the reason.
    with Segment(address) as segment:
        assert segment.reachable_from_host(), "the test's own listener answers"
        assert not reach(box, address, segment.port)


@both
def test_an_allowed_private_range_can_be_reached(fresh_instance, engine):
    with Segment("10.78.0.1") as segment:
        instance = fresh_instance(allow_private="10.78.0.0/24")
        box = instance.client().create()
        assert reach(box, "10.78.0.1", segment.port)


def test_a_forged_source_address_is_dropped(box):
    # Raw sockets are what it takes, and there are none.
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)"
    assert "PermissionError" in box.exec(["python3", "-c", code])["stderr"]


@both
def test_dns_goes_to_the_resolvers_only(box):
    resolvers = [
        line.split()[1]
        for line in open("/etc/resolv.conf")
        if line.startswith("nameserver") and ":" not in line
    ]
    if not resolvers or resolvers[0].startswith("127."):
        pytest.skip("the host's resolver is on loopback, which a sandbox is not to reach")
    assert reach(box, resolvers[0], 53)
    assert not reach(box, resolvers[0], 80)


def test_addresses_and_routes_cannot_be_changed(box):
    for command in (
        "ip addr add 10.0.0.9/24 dev eth0",
        "ip link set lo down",
        "ip route add 10.0.0.0/8 dev lo",
        "ip route del default",
        "ip link add x type dummy",
    ):
        assert box.exec(command)["exit_code"] != 0, command


@both
def test_no_network_at_all(make_sandbox):
    box = make_sandbox(network="none")
    assert box.object["network"] == "none"
    if box.object["engine"] == "container":  # a machine has an interface that leads nowhere
        assert box.output("ip -4 -br addr show up | awk '{print $1}'") == "lo\n"
        assert box.output("ip -4 route") == ""
    assert box.exec(RESOLVE)["exit_code"] != 0
    with listener("0.0.0.0") as port:
        assert reached(box, [(each, port) for each in host_addresses()]) == []
    # loopback still works
    box.output("nohup python3 -m http.server 8000 >/dev/null 2>&1 & echo started")
    probe = "curl -sf -o /dev/null http://127.0.0.1:8000/ && echo up || true"
    wait_until(lambda: box.output(probe) == "up\n", 20, "the server inside answers")


@both
def test_network_survives_pause_and_resume(make_sandbox):
    box = make_sandbox()
    for round_trip in ("pause", "stop"):
        getattr(box, round_trip)()
        box.resume()
        assert box.output(RESOLVE).split()


@both
def test_nobody_outside_reaches_into_a_sandbox(instance, box):
    # The host's root may; what matters is that nothing forwards to it from another namespace.
    address = address_of(instance, box)
    with Segment("10.79.0.1") as segment:
        assert not segment.connects_to(address, 80)


def test_the_host_cannot_be_reached_by_ipv6(box):
    told = subprocess.run(["ip", "-6", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    addresses = {line.split()[3].split("/")[0] for line in told.splitlines()} - {"::1"}
    with listener("::") as port:
        candidates = [address for address in addresses if not address.startswith("fe80")]
        links = [f"{address}%eth0" for address in addresses if address.startswith("fe80")]
        assert reached(box, [(address, port) for address in (candidates + links)[:30]]) == []


@both
def test_datagrams_do_not_reach_the_host(box):
    gateway = box.output("ip route show default").split()[2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("0.0.0.0", 0))
        receiver.settimeout(2)
        port = receiver.getsockname()[1]
        addresses = " ".join([gateway, *host_addresses()])
        box.exec(f"for a in {addresses}; do echo hello > /dev/udp/$a/{port}; done", timeout=30)
        with pytest.raises(TimeoutError):
            receiver.recv(100)
