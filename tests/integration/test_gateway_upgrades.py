"""WebSockets and other upgrades through the gateway."""

import socket

import pytest
import websocket

from harness import gateway
from harness.wait import wait_until

UPGRADE = ("Connection: Upgrade", "Upgrade: echo")


@pytest.fixture(scope="module")
def preview(instance, shared_sandbox):
    return gateway.exposed_upstream(instance, shared_sandbox)


def open_socket(preview):
    return websocket.create_connection(
        f"ws://{preview.host}:{preview.gateway_port}/websocket", timeout=20,
        sockopt=(), http_no_proxy=["*"], suppress_origin=True,
        socket=socket.create_connection(("127.0.0.1", preview.gateway_port)),
    )


def test_a_websocket_echoes(preview):
    ws = open_socket(preview)
    for size in (0, 1, 125, 126, 5000, 65535):
        ws.send("x" * size)
        assert ws.recv() == "x" * size
    ws.close()


def test_any_upgrade_is_passed_through_both_ways(preview):
    payload = bytes(range(256)) * 4096
    with preview.connect() as connection:
        connection.send(preview.head("/upgrade", "GET", *UPGRADE))
        reply = connection._until(b"\r\n\r\n").decode()
        assert reply.startswith("HTTP/1.1 101 ") and "\r\nUpgrade: echo" in reply
        received = b""
        connection.socket.setblocking(False)
        pending = payload
        while len(received) < len(payload):
            try:
                pending = pending[connection.socket.send(pending):] if pending else pending
            except BlockingIOError:
                pass
            try:
                received += connection.socket.recv(1 << 16)
            except BlockingIOError:
                pass
        assert received == payload


def test_each_side_may_end_on_its_own(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/upgrade", "GET", *UPGRADE))
        connection._until(b"\r\n\r\n")
        connection.send(b"hello")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.closed()
        assert connection.pending == b"hellogoodbye"


def test_bytes_behind_the_request_are_the_protocol_s(preview):
    with preview.connect() as connection:
        connection.send(preview.head("/upgrade", "GET", *UPGRADE) + "GET / HTTP/1.1\r\n\r\n")
        connection._until(b"\r\n\r\n")
        assert connection._exactly(18) == b"GET / HTTP/1.1\r\n\r\n"


def test_an_upgrade_that_is_declined_is_a_request(preview):
    with preview.connect() as connection:
        for _ in range(2):
            connection.send(preview.head("/echo", "GET", *UPGRADE))
            reply = connection.reply()
            assert reply.status == 200 and b'"upgrade": "echo"' in reply.body


@pytest.mark.parametrize("lines", [
    ("Upgrade: echo",),
    ("Connection: Upgrade",),
    ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    ("Connection: Upgrade", "Upgrade: echo", "Content-Length: 2", "X: y"),
], ids=["no Connection", "no Upgrade", "h2c", "with a body"])
def test_what_is_no_upgrade_is_not_passed_on_as_one(preview, lines):
    with preview.connect() as connection:
        body = "ab" if any("Length" in line for line in lines) else ""
        connection.send(preview.head("/echo", "GET", *lines) + body)
        reply = connection.reply()
        assert reply.status == 200
        assert b'"upgrade"' not in reply.body and b"http2-settings" not in reply.body.lower()


def test_many_idle_websockets(preview):
    """They cost little, and all of them live."""
    sockets = [open_socket(preview) for _ in range(200)]
    for number, ws in enumerate(sockets):
        ws.send(str(number))
    assert [ws.recv() for ws in sockets] == [str(number) for number in range(200)]
    before = preview.echo()["counts"]["open"]
    for ws in sockets:
        ws.sock.close()
    # Not all 200: asking takes a connection, and the gateway keeps some.
    wait_until(lambda: preview.echo()["counts"]["open"] <= before - 190, 20, "their connections end")


def test_a_websocket_to_a_server_that_is_killed_ends(preview, instance, client):
    with client.create() as box:
        job = gateway.start_upstream(box)
        mine = gateway.Preview(instance, box)
        mine.expose()
        ws = open_socket(mine)
        box.client.ok(box.client.delete(f"{box.path}/processes/{job['id']}"))
        with pytest.raises((websocket.WebSocketException, OSError)):
            ws.recv()
