"""Tunnels: a TCP port inside a sandbox, over a WebSocket."""

import os

import pytest

from harness.expect import checked, expect_error
from harness.terminal import TUNNEL, Closed, Socket, tunnel
from harness.wait import wait_until

pytestmark = pytest.mark.engines("container", "vm")

ECHO = """
import socket, sys, threading
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(64)
def serve(client):
    while data := client.recv(65536):
        client.sendall(data)
        if data.endswith(b"bye\\n"):
            break
    client.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def listen(sandbox, port, address="127.0.0.1"):
    sandbox.write("/tmp/echo.py", ECHO)
    sandbox.exec(f"setsid python3 /tmp/echo.py {address} {port} </dev/null >/tmp/echo.log 2>&1 &")
    hexed = f":{port:04X} "
    wait_until(lambda: hexed in sandbox.output("cat /proc/net/tcp*"), what=f"port {port}")


def collect(socket, length):
    data = b""
    while len(data) < length:
        data += socket.message()[1]
    return data


@pytest.fixture(scope="module")
def echo(shared_sandbox):
    listen(shared_sandbox, 7000)
    return shared_sandbox


def test_bytes_travel_both_ways(echo):
    with tunnel(echo, 7000) as socket:
        assert socket.web.getsubprotocol() == "miosa-tunnel-v1"
        socket.send(bytes(range(256)))
        assert collect(socket, 256) == bytes(range(256))
        socket.close()


def test_the_end_of_the_server_is_a_normal_close(echo):
    with tunnel(echo, 7000) as socket:
        socket.send("so long, bye\n")
        assert collect(socket, 13) == b"so long, bye\n"
        assert socket.closed().code == 1000


def test_much_travels_unchanged(echo):
    data = os.urandom(4 * 1024 * 1024)
    with tunnel(echo, 7000) as socket:
        received = b""
        for start in range(0, len(data), 256 * 1024):
            piece = data[start : start + 256 * 1024]
            socket.send(piece)
            received += collect(socket, len(piece))
        assert received == data
        socket.close()


def test_many_at_once(echo):
    sockets = [tunnel(echo, 7000) for _ in range(50)]
    for number, socket in enumerate(sockets):
        socket.send(f"number {number:02}")
    for number, socket in enumerate(sockets):
        assert collect(socket, 9) == f"number {number:02}".encode()
    for socket in sockets:
        socket.drop()


@pytest.mark.engines("container")
def test_a_server_on_ipv6_only(shared_sandbox):
    if not shared_sandbox.output("cat /proc/net/if_inet6 2>/dev/null || true"):
        pytest.skip("sandboxes have no IPv6 on this host")
    listen(shared_sandbox, 7006, "::1")
    with tunnel(shared_sandbox, 7006) as socket:
        socket.send("six")
        assert collect(socket, 3) == b"six"
        socket.close()


def test_nothing_listens(shared_sandbox):
    with tunnel(shared_sandbox, 7999) as socket:
        assert socket.closed().code == 4005


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "80x", "99999999999999999999", "%2080"])
def test_a_bad_port(shared_sandbox, port):
    with tunnel(shared_sandbox, port) as socket:
        assert socket.closed().code == 4000


def test_ends_of_the_sandbox_are_told(make_sandbox):
    sandbox = make_sandbox()
    listen(sandbox, 7000)
    with tunnel(sandbox, 7000) as socket:
        socket.send("hello")
        collect(socket, 5)
        sandbox.pause()
        assert socket.closed().code == 4009
    with tunnel(sandbox, 7000) as socket:
        assert socket.closed().code == 4009
    sandbox.resume()
    with tunnel(sandbox, 7000) as socket:
        socket.send("hello")
        collect(socket, 5)
        sandbox.destroy()
        assert socket.closed().code in (4004, 1000)
    with tunnel(sandbox, 7000) as socket:
        assert socket.closed().code == 4004


def test_who_may(shared_sandbox, client, anonymous_client, other_client):
    url = shared_sandbox.client.url.replace("http://", "ws://") + f"/api/v1{shared_sandbox.path}/tunnel/7000"
    for key in (None, "msk_live_wrong"):
        with Socket(url, TUNNEL, key=key) as refused:
            assert refused.closed().code == 4001
            assert refused.web.getsubprotocol() == TUNNEL
    reader = checked(client.post("/api-keys", {"name": "reader", "scopes": ["sandboxes:read"]}), 201)["data"]["key"]
    with Socket(url, key=reader) as refused:
        assert refused.closed().code == 4003
    with Socket(url, key=other_client.key) as foreign:
        assert foreign.closed().code == 4004
    expect_error(shared_sandbox.client.get(f"{shared_sandbox.path}/tunnel/7000"), 426, "UPGRADE_REQUIRED")
    expect_error(anonymous_client.get(f"{shared_sandbox.path}/tunnel/7000"), 401, "invalid_token")


def test_a_client_that_vanishes_frees_the_connection_inside(echo):
    count = "cat /proc/net/tcp | awk '$2 ~ /:1B58$/ && $4 == \"01\"' | wc -l"
    before = int(echo.output(count))
    with tunnel(echo, 7000) as socket:
        socket.send("x")
        collect(socket, 1)
        assert int(echo.output(count)) == before + 1
        socket.drop()
    wait_until(lambda: int(echo.output(count)) == before, what="the connection inside to end")


def test_a_service_that_stops_says_so(fresh_instance):
    instance = fresh_instance()
    with instance.client().create() as sandbox:
        listen(sandbox, 7000)
        with tunnel(sandbox, 7000) as socket:
            socket.send("x")
            collect(socket, 1)
            instance.api.stop()
            with pytest.raises(Closed) as end:
                socket.message()
            assert end.value.code == 1012
        instance.start()
