"""Slow loris and its kin: cut off, while everybody else is served."""

import socket
import threading

import pytest

from harness.raw import RawConnection, drip
from harness.wait import wait_until


@pytest.fixture(scope="module")
def impatient(factory):
    """An instance that gives a client two seconds and has few connections to give."""
    made = factory.make(client_timeout_sec=2, connections=64, spare_slots=2).start()
    yield made
    factory.end(made)


@pytest.fixture(scope="module")
def box(impatient):
    with impatient.client().create() as sandbox:
        sandbox.output("head -c 50000000 /dev/zero > /workspace/large")
        yield sandbox


def authorized(box, request_line, *headers):
    lines = [request_line, "Host: x", f"Authorization: Bearer {box.client.key}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def assert_cut(impatient, box, first, rest=b"x" * 1000):
    stop = threading.Event()
    with RawConnection(impatient.port, timeout=30) as connection:
        connection.send(first)
        writer = threading.Thread(target=drip, args=(connection, rest, stop))
        writer.start()
        try:
            assert box.output("echo others are served") == "others are served\n"
            assert connection.closed()
        finally:
            stop.set()
            writer.join()


def test_a_head_that_never_ends(impatient, box):
    assert_cut(impatient, box, "GET /health HTTP/1.1\r\nHost: x\r\n", b"X-Slow: " + b"a" * 1000)


def test_silence(impatient, box):
    with RawConnection(impatient.port, timeout=30) as connection:
        assert connection.closed()


def test_silence_after_a_request(impatient, box):
    with RawConnection(impatient.port, timeout=30) as connection:
        connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.reply().status == 200
        assert connection.closed()


def test_a_body_that_trickles(impatient, box):
    head = authorized(
        box, f"PUT /api/v1{box.path}/files/raw?path=/workspace/slow HTTP/1.1", "Content-Length: 100000"
    )
    assert_cut(impatient, box, head)
    assert box.output("ls -A /workspace") == "large\n"


def test_a_json_body_that_trickles(impatient, box):
    head = authorized(
        box,
        f"POST /api/v1{box.path}/exec HTTP/1.1",
        "Content-Length: 100000",
        "Content-Type: application/json",
    )
    assert_cut(impatient, box, head + '{"command":"')


def test_a_reply_that_nobody_reads(impatient, box):
    with RawConnection(impatient.port, timeout=30, receive_buffer=4096) as connection:
        connection.send(authorized(box, f"GET /api/v1{box.path}/fs/download?path=/workspace/large HTTP/1.1"))
        assert box.output("echo others are served") == "others are served\n"
        # Not a byte is read until the server has given up.
        assert wait_for_reset(connection.socket)


def wait_for_reset(connection):
    """True once the peer has closed, without reading: TCP_INFO's state is no longer established."""

    def state():
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1

    return wait_until(state, 30, "the server cuts the connection")


def test_an_event_stream_that_nobody_reads(impatient, box):
    body = '{"command":"exec yes","timeout":300}'
    head = authorized(
        box,
        f"POST /api/v1{box.path}/exec/stream HTTP/1.1",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
    )
    with RawConnection(impatient.port, timeout=30, receive_buffer=4096) as connection:
        connection.send(head + body)
        assert wait_for_reset(connection.socket)
    gone = "pgrep -x yes >/dev/null || echo gone"
    wait_until(lambda: box.output(gone) == "gone\n", 30, "its command is dead")


def test_a_long_command_is_no_slow_client(impatient, box):
    assert box.output("sleep 5; echo patient", timeout=30) == "patient\n"
    with box.stream("sleep 5; echo patient", timeout=30) as stream:
        assert stream.next("stdout")["line"] == "patient"


def test_more_connections_than_there_are(impatient, box):
    """One address may hold half of the connections; the others stay for other clients and come back."""
    held = []
    try:
        for _ in range(200):
            connection = socket.create_connection(("127.0.0.1", impatient.port), 10)
            connection.setblocking(False)
            held.append(connection)
        # They are cut as slow clients, and then there is room again.

        def served():
            try:
                return impatient.client(key="").get("/health", timeout=5).status_code == 200
            except OSError:
                return False

        wait_until(served, 60, "the API answers again")
    finally:
        for connection in held:
            connection.close()
    assert box.output("echo fine") == "fine\n"
