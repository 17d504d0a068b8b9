"""Ports below 1024: atolld keeps the one capability that they need, and only then."""

import pathlib
import socket

NET_BIND_SERVICE = 1 << 10


def capabilities(instance):
    """Permitted, effective and ambient, of every thread."""
    masks = set()
    for status in pathlib.Path(f"/proc/{instance.api.pid}/task").glob("*/status"):
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        masks.add(tuple(int(lines[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")))
    return masks


def as_root(instance):
    """The instance with an atolld that is started as root and becomes the user itself."""
    program = next(part for part in instance.api.command if part.endswith("/atolld"))
    instance.api.command = [program]
    return instance.start()


def free_low_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("every port from 600 to 1023 is taken")


def test_a_gateway_below_1024_costs_one_capability(fresh_instance):
    port = free_low_port()
    instance = as_root(fresh_instance(start=False, gateway=f"127.0.0.1:{port}"))
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: nobody.sandbox.localhost\r\nConnection: close\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 404 ")
    assert capabilities(instance) == {(NET_BIND_SERVICE, NET_BIND_SERVICE, 0)}


def test_other_ports_cost_none(fresh_instance):
    assert capabilities(as_root(fresh_instance(start=False))) == {(0, 0, 0)}
