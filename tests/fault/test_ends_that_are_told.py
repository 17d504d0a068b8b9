"""What a client sees when something it uses ends: always an answer, never a hang."""

import signal
import threading

import pytest
import requests

from harness.expect import expect_error
from harness.wait import wait_until


@pytest.fixture
def own(fresh_instance):
    return fresh_instance(spare_slots=2)


def in_background(call):
    """Starts call in a thread; returns a function that waits for its result."""
    results = []

    def run():
        try:
            results.append(call())
        except requests.RequestException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(60)
        assert not thread.is_alive(), "the call hangs"
        return results[0]

    return result


def started(sandbox, marker):
    """Waits until a command that touches the marker runs."""
    wait_until(lambda: sandbox.exec(f"test -e {marker}")["exit_code"] == 0, 30, "the command runs")


def test_the_agents_death_is_told_to_everybody_waiting(own):
    sandbox = own.client().create()
    waiting = in_background(
        lambda: sandbox.client.post(
            f"{sandbox.path}/exec", {"command": "touch /tmp/on; sleep 1000", "timeout": 2000}
        )
    )
    started(sandbox, "/tmp/on")
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        own.kill_agent(sandbox)
        rest = list(stream)
    assert [name for name, _ in rest] == ["exit"]
    assert rest[0][1]["exit_code"] == -2
    reply = waiting()
    assert reply.status_code in (409, 502), reply.text
    wait_until(lambda: sandbox.state == "error", 30, "state error")
    assert sandbox.object["metadata"]["last_error"]
    expect_error(sandbox.client.post(f"{sandbox.path}/exec", {"command": "true"}), 409, "SANDBOX_NOT_RUNNING")


def test_destroy_ends_commands_and_transfers(own):
    before = own.settled()
    sandbox = own.client().create()
    waiting = in_background(
        lambda: sandbox.client.post(
            f"{sandbox.path}/exec", {"command": "touch /tmp/on; sleep 1000", "timeout": 2000}
        )
    )
    started(sandbox, "/tmp/on")
    sandbox.output("head -c 200000000 /dev/zero > /workspace/large")
    transfer = sandbox.client.get(
        f"{sandbox.path}/fs/download", params={"path": "/workspace/large"}, stream=True
    )
    with sandbox.stream("echo on; sleep 1000") as stream:
        stream.next("stdout")
        sandbox.destroy()
        assert [name for name, _ in stream] == ["exit"]
    assert waiting().status_code in (404, 409, 502)
    try:
        for _ in transfer.iter_content(1 << 20):
            pass
    except requests.RequestException:
        pass
    own.assert_no_leak(before)


def test_sigterm_lets_a_running_request_finish(own):
    sandbox = own.client().create()
    waiting = in_background(
        lambda: sandbox.client.post(
            f"{sandbox.path}/exec", {"command": "touch /tmp/on; sleep 2; echo finished"}
        )
    )
    started(sandbox, "/tmp/on")
    own.api.process.send_signal(signal.SIGTERM)
    reply = waiting()
    assert reply.status_code == 200
    assert reply.json()["data"]["stdout"] == "finished\n"
    assert own.api.wait(30) == 0
    own.start()
    assert sandbox.output("echo alive") == "alive\n"


def test_sigterm_ends_streams_with_an_exit(own):
    sandbox = own.client().create()
    with sandbox.stream("echo on; sleep 1000", timeout=2000) as stream:
        stream.next("stdout")
        own.api.process.send_signal(signal.SIGTERM)
        try:
            rest = [name for name, _ in stream]
        except requests.RequestException:
            rest = None
    assert rest == ["exit"], "the stream has its final event"
    assert own.api.wait(30) == 0


def test_killing_the_api_daemon_kills_its_commands(own):
    sandbox = own.client().create()
    with sandbox.stream("echo on; exec sleep 54321", timeout=2000) as stream:
        stream.next("stdout")
        own.api.kill9()
    own.start()
    gone = "pgrep -f '[s]leep 54321' >/dev/null || echo gone"
    wait_until(lambda: sandbox.output(gone) == "gone\n", 30, "the command is dead")


def test_without_the_host_daemon_commands_go_on_and_the_rest_is_told(own):
    sandbox = own.client().create()
    own.host.kill9()
    assert sandbox.output("echo alive") == "alive\n"
    assert sandbox.state == "running"
    error = expect_error(sandbox.client.post("/sandboxes"), 503, "HOST_UNAVAILABLE")
    assert error["retryable"] is True
    expect_error(sandbox.client.post(f"{sandbox.path}/pause"), 503, "HOST_UNAVAILABLE")
    own.start()
    wait_until(own.connected, 30, "atolld to find atoll-host")
    assert sandbox.state == "running"
    sandbox.pause()
    sandbox.resume()
    assert sandbox.output("echo alive") == "alive\n"


def test_a_failed_create_leaves_a_record_with_its_reason(own):
    own.host.kill9()
    client = own.client()
    client.post("/sandboxes", {"name": "stillborn"})
    own.start()
    wait_until(own.connected, 30, "atolld to find atoll-host")
    errored = client.list(include_errored="true")
    assert all(entry["state"] in ("error", "destroyed") for entry in errored)
    with client.create(name="stillborn") as made:
        assert made.output("echo alive") == "alive\n"
