"""A thousand idle event streams, and readers that do not read: nobody else notices."""

import socket
import threading

import pytest

from harness.raw import RawConnection
from harness.sse import EventStream
from harness.wait import wait_until

STREAMS = 1000


@pytest.fixture(scope="module")
def crowded(factory):
    instance = factory.make(connections=4096, client_timeout_sec=5).start()
    yield instance
    factory.end(instance)


def metric(instance, name):
    for line in instance.client(key="").get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"there is no metric {name}")


def open_raw(instance, path, receive_buffer=None):
    connection = RawConnection(instance.port, timeout=30, receive_buffer=receive_buffer)
    key = instance.client().key
    connection.send(f"GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n")
    return connection


def until(connection, wanted):
    received = b""
    while wanted not in received:
        data = connection.socket.recv(65536)
        assert data, f"the stream ended: {received[-500:]!r}"
        received += data
    return received


def test_a_thousand_idle_streams(crowded):
    client = crowded.client()
    with client.create(persistent=True) as sandbox:
        streams = []
        try:
            for _ in range(STREAMS):
                streams.append(open_raw(crowded, f"{sandbox.path}/events?types=sandbox.paused"))
            for stream in streams:
                until(stream, b"id: ")
            assert metric(crowded, "atoll_event_subscribers") == STREAMS
            # meanwhile, everything else works
            for number in range(50):
                assert sandbox.output(f"echo {number}") == f"{number}\n"
            with client.create() as other:
                assert other.output("echo other") == "other\n"
            sandbox.pause()
            for stream in streams:
                assert b"event: sandbox.paused\n" in until(stream, b'"type":"sandbox.paused"')
        finally:
            for stream in streams:
                stream.socket.close()
        wait_until(lambda: metric(crowded, "atoll_event_subscribers") == 0, 30, "the streams to be forgotten")


def test_a_reader_that_does_not_read_holds_nobody_up(crowded):
    client = crowded.client()
    with client.create() as sandbox:
        slow = open_raw(crowded, f"{sandbox.path}/events", receive_buffer=4096)
        until(slow, b"id: ")
        with EventStream(client, f"{sandbox.path}/events", types="sandbox.exec.completed").await_greeting() as quick:
            for _ in range(3):
                sandbox.exec("head -c 8000000 /dev/zero | tr '\\0' x")
                quick.next("sandbox.exec.completed")
        wait_until(lambda: metric(crowded, "atoll_event_subscribers") == 0, 60, "the slow reader to be cut")
        slow.socket.close()


def test_one_who_fell_behind_is_told(crowded):
    """The ring keeps the latest 8 MiB of a tenant: a reader that stops and goes on is told what it missed."""
    client = crowded.client()
    with client.create() as sandbox:
        with open_raw(crowded, f"{sandbox.path}/events", receive_buffer=1 << 18) as behind:
            until(behind, b"id: ")
            for _ in range(3):
                sandbox.exec("head -c 8000000 /dev/zero | tr '\\0' x")
            sandbox.destroy()
            everything = b""
            while data := behind.socket.recv(1 << 20):
                everything += data
                if b"event: end" in everything:
                    break
        assert b"event: lost" in everything
        assert b"event: sandbox.destroyed" in everything
