"""Slow loris and its kin at the gateway: cut off, while everybody else is served."""

import http.client
import socket
import threading

import pytest

from harness import gateway
from harness.raw import drip
from harness.wait import wait_until


@pytest.fixture(scope="module")
def impatient(factory):
    made = factory.make(client_timeout_sec=2, gateway_connections=64, spare_slots=2).start()
    yield made
    factory.end(made)


@pytest.fixture(scope="module")
def preview(impatient):
    with impatient.client().create() as sandbox:
        yield gateway.exposed_upstream(impatient, sandbox)


def assert_cut(preview, first, rest=b"x" * 1000):
    stop = threading.Event()
    with preview.connect(timeout=30) as connection:
        connection.send(first)
        writer = threading.Thread(target=drip, args=(connection, rest, stop))
        writer.start()
        try:
            assert preview.request().status == 200
            assert connection.closed()
        finally:
            stop.set()
            writer.join()
    return connection.pending


def test_a_head_that_never_ends(preview):
    said = assert_cut(preview, f"GET / HTTP/1.1\r\nHost: {preview.host}\r\n", b"X-Slow: " + b"a" * 1000)
    assert said.startswith(b"HTTP/1.1 408 ")


def test_silence(preview):
    with preview.connect(timeout=30) as connection:
        assert connection.closed()


def test_a_body_that_trickles(preview):
    said = assert_cut(preview, preview.head("/echo", "POST", "Content-Length: 100000"))
    assert said.startswith(b"HTTP/1.1 408 ")


def test_chunks_that_trickle(preview):
    assert_cut(preview, preview.head("/echo", "POST", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 200)


def test_an_answer_that_nobody_reads(preview):
    def state(connection):
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

    with preview.connect(timeout=30, receive_buffer=4096) as connection:
        connection.send(preview.head("/data?size=100000000"))
        assert preview.request().status == 200
        wait_until(lambda: state(connection.socket) != 1, 30, "the gateway cuts the connection")


def test_a_slow_answer_is_no_slow_client(preview):
    assert preview.request(path="/slow?seconds=5").body == b"at last"


def test_more_connections_than_there_are(preview):
    """One address may hold 3 of 4 connections; they are cut as slow clients, and then there is room again."""
    held = []
    try:
        for _ in range(200):
            connection = socket.create_connection(("127.0.0.1", preview.gateway_port), 10)
            connection.setblocking(False)
            held.append(connection)

        def served():
            try:
                return preview.request(timeout=5).status == 200
            except (OSError, http.client.HTTPException):
                return False

        wait_until(served, 60, "the gateway answers again", 0.1)
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: preview.request().status == 200, 10)
