"""kill -9 of a daemon while something passes through the gateway: clients see a cut, and all is well afterwards."""

import pytest

from harness import gateway
from harness.wait import wait_until


@pytest.fixture
def served(fresh_instance):
    """An instance, a sandbox with a server in it, and what the instance held before."""
    instance = fresh_instance(spare_slots=2)
    before = instance.settled()
    box = instance.client().create()
    gateway.start_upstream(box)
    preview = gateway.Preview(instance, box)
    preview.expose()
    yield instance, preview
    box.destroy()
    instance.assert_no_leak(before)


def begin_upload(preview, connection):
    connection.send(preview.head("/echo", "POST", "Content-Length: 50000000", "Expect: 100-continue"))
    assert connection.reply().status == 100  # the gateway has a connection to the server
    connection.send(b"x" * 1_000_000)


def begin_stream(preview, connection):
    connection.send(preview.head("/events"))
    connection._until(b"data: 1")


def begin_upgrade(preview, connection):
    connection.send(preview.head("/upgrade", "GET", "Connection: Upgrade", "Upgrade: echo"))
    connection._until(b"\r\n\r\n")


TRAFFIC = [begin_upload, begin_stream, begin_upgrade]


@pytest.mark.parametrize("begin", TRAFFIC)
def test_the_api_daemon_is_killed(served, begin):
    instance, preview = served
    with preview.connect() as connection:
        begin(preview, connection)
        instance.api.kill9()
        assert connection.closed()
        assert b"\r\n0\r\n\r\n" not in connection.pending
    instance.start()
    wait_until(lambda: preview.request().status == 200, 20, "the preview is served again", 0.1)
    # The server sees that its clients are gone: nothing keeps half a connection.
    wait_until(lambda: preview.echo()["counts"]["open"] <= 4, 20, "old connections end")


@pytest.mark.parametrize("begin", TRAFFIC)
def test_the_host_daemon_is_killed(served, begin):
    """What passes goes on passing, and so do new requests on kept connections."""
    instance, preview = served
    with preview.connect() as kept, preview.connect() as connection:
        begin(preview, connection)
        instance.host.kill9()
        if begin is begin_stream:
            connection._until(b"data: 2")
        elif begin is begin_upgrade:
            connection.send(b"still here")
            assert connection._exactly(10) == b"still here"
        else:
            connection.send(b"x" * 49_000_000)
            assert connection.reply().status == 200
        kept.send(preview.head())
        assert kept.reply().status in (200, 503)
    instance.start()
    wait_until(instance.connected, 30, "the instance is whole again", 0.1)
    wait_until(lambda: preview.request().status == 200, 20, "the preview is served", 0.1)


def test_an_orderly_stop_lets_a_request_finish(served):
    instance, preview = served
    with preview.connect() as running, preview.connect() as idle:
        idle.send(preview.head())
        assert idle.reply().status == 200
        running.send(preview.head("/slow?seconds=1"))
        wait_until(lambda: preview.echo()["counts"]["open"] >= 2, 10)
        instance.api.stop()
        assert running.reply().body == b"at last"
        assert idle.closed() and running.closed()
    instance.start()
