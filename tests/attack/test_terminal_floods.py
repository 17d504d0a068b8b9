"""Terminals that print or take without end, and clients that do not read: others are not hurt."""

import contextlib
import re

import pytest

from harness.raw import RawConnection
from harness.terminal import attach, open_terminal, terminal
from harness.wait import wait_until


def test_an_endless_printer_hurts_nobody(make_sandbox, neighbour):
    """Several at once, looked at by one who reads everything and by some who read nothing."""
    sandbox = make_sandbox(memory_mb=256)
    floods = [open_terminal(sandbox, command="yes flood") for _ in range(4)]
    deaf = [attach(sandbox, access) for access in floods for _ in range(3)]
    with attach(sandbox, floods[0]) as reader, terminal(sandbox) as shell:
        for _ in range(8):
            reader.step()
            neighbour.check()
        shell.send("echo $((6*7))-alive\r")
        shell.until("42-alive")
        assert b"flood\r\nflood\r\n" in reader.raw
        # Ctrl-C comes through.
        reader.send(b"\x03")
        assert reader.end() == (130, 1000)
        shell.web.send_close(1000)
    for one in deaf:
        one.drop()
    for access in floods:
        assert sandbox.client.delete(f"{sandbox.path}/terminal/{access['session_id']}").ok
    assert sandbox.state == "running"


def test_what_nobody_reads_inside_is_bounded(make_sandbox, neighbour):
    """A program that takes no input: the client's bytes wait with the client, not in the service."""
    sandbox = make_sandbox(memory_mb=256)
    access = open_terminal(sandbox, command="stty raw -echo; echo ready; exec sleep 1000")
    with attach(sandbox, access, timeout=1) as writer:
        writer.until_raw(b"ready")
        sent = 0
        with pytest.raises(Exception, match="timed out|Resource temporarily unavailable"):
            while sent < 256 << 20:
                writer.send(b"x" * (256 << 10))
                sent += 256 << 10
        assert sent < 64 << 20
        neighbour.check()
        writer.drop()
    assert sandbox.client.delete(f"{sandbox.path}/terminal/{access['session_id']}").ok


HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
BAD_FRAMES = {
    "unmasked": b"\x82\x01x",
    "huge": b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x",
    "reserved": b"\xf2\x80\0\0\0\0",
    "text that is none": b"\x81\x82\0\0\0\0\xff\xfe",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("kind", BAD_FRAMES)
def test_frames_that_are_none_end_the_connection_only(instance, client, make_sandbox, kind):
    """Sent behind the handshake in one packet, too."""
    sandbox = make_sandbox()
    access = open_terminal(sandbox, command="cat")
    path = access["ws_url"].split(f":{instance.port}", 1)[1]
    handshake = HANDSHAKE.format(path=path, key=client.key).encode()
    for together in (True, False):
        with RawConnection(instance.port) as connection:
            connection.send(handshake + (BAD_FRAMES[kind] if together else b""))
            assert connection.reply().status == 101
            if not together:
                connection.send(BAD_FRAMES[kind])
            assert connection.closed()
            assert b"\x88" in connection.pending
    with attach(sandbox, access) as viewer:
        viewer.send("alive\r")
        viewer.until("alive\nalive")


@pytest.mark.parametrize(
    "change",
    [
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade", "Connection: close"),
        ("Version: 13", "Version: 8"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        ("Sec-WebSocket-Key: ", "X-Key: "),
        ("HTTP/1.1", "HTTP/1.0"),
        ("GET ", "POST "),
    ],
)
def test_half_a_handshake_is_no_websocket(instance, client, make_sandbox, change):
    sandbox = make_sandbox()
    access = open_terminal(sandbox, command="cat")
    path = access["ws_url"].split(f":{instance.port}", 1)[1]
    handshake = HANDSHAKE.format(path=path, key=client.key).replace(*change)
    with RawConnection(instance.port) as connection:
        connection.send(handshake)
        assert connection.reply().status in (400, 405, 426)


@pytest.mark.parametrize("noise", [b"\x89\x80\0\0\0\0", b"\x82\xfe\xff\xff\0\0\0\0" + b"x" * 65535, b""])
def test_who_was_refused_cannot_hold_on(instance, client, anonymous_client, make_sandbox, noise):
    """A refused credential is told by a close code; whatever the client sends then, or not, is the end near."""
    sandbox = make_sandbox()
    before = failures(anonymous_client)
    handshake = HANDSHAKE.format(path=f"/api/v1{sandbox.path}/tunnel/80", key="msk_live_wrong")
    with RawConnection(instance.port) as connection:
        connection.send(handshake)
        assert connection.reply().status == 101
        with pytest.raises(ConnectionError) if noise else contextlib.nullcontext():
            while noise:
                connection.send(noise)
        assert noise or connection.closed()
        assert noise or b"\x0f\xa1" in connection.pending  # 4001
    assert failures(anonymous_client) == before + 1


@pytest.mark.parametrize("part", ["Upgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n"])
def test_half_a_handshake_with_a_wrong_key_is_http(instance, make_sandbox, part):
    handshake = HANDSHAKE.format(path=f"/api/v1{make_sandbox().path}/tunnel/80", key="msk_live_wrong").replace(part, "")
    with RawConnection(instance.port) as connection:
        connection.send(handshake)
        assert connection.reply().status == 401


def failures(client):
    (line,) = re.findall(r"^atoll_http_auth_failed_total (\d+)$", client.get("/metrics").text, re.MULTILINE)
    return int(line)


def test_a_slow_reader_gets_everything_to_the_end(make_sandbox):
    """What was printed last, and the exit, come after all that a client had not read yet."""
    sandbox = make_sandbox()
    access = open_terminal(sandbox, command="echo ready; read x; yes flood | head -n 30000; echo last; exit 5")
    with attach(sandbox, access) as viewer:
        viewer.until_raw(b"ready")
        viewer.send("\r")
        wait_until(lambda: sandbox.client.ok(sandbox.client.get(f"{sandbox.path}/terminals"))["data"][0]["exit_code"] == 5)
        # Something that the service has yet to receive when it closes.
        viewer.web.ping()
        assert viewer.end() == (5, 1000)
        assert viewer.raw.endswith(b"flood\r\nlast\r\n")
