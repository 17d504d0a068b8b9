"""kill -9 of atolld under event streams and webhooks: nothing stored is missed, and nothing is told twice."""

import threading

import pytest
import requests

from harness import paths
from harness.expect import checked
from harness.receiver import Receiver
from harness.sse import EventStream
from harness.wait import wait_until


@pytest.fixture
def mortal(fresh_instance):
    return fresh_instance(webhook_targets="any", spare_slots=2)


def kill(instance):
    instance.api.kill9()
    instance.start_api()
    wait_until(instance.connected, 30, "atolld to find atoll-host")


def follow_through_crashes(client, path, told, over):
    """Reads until the end event, coming back with the last id whenever the connection breaks."""
    last_id = None
    while not over.is_set():
        try:
            with EventStream(client, path, last_id=last_id, replay="true") as stream:
                for name, data in stream:
                    told.append((name, data))
                    last_id = stream.last_id
                    if name == "end" and data["reason"] == "destroyed":
                        return
        except (requests.RequestException, OSError):
            continue


def test_a_reader_that_comes_back_misses_nothing(mortal):
    client = mortal.client()
    sandbox = client.create(persistent=True)
    told, over = [], threading.Event()
    reader = threading.Thread(
        target=follow_through_crashes, args=(mortal.client(), f"{sandbox.path}/events", told, over), daemon=True
    )
    reader.start()
    try:
        for _ in range(3):
            sandbox.pause()
            kill(mortal)
            sandbox.resume()
            kill(mortal)
        sandbox.destroy()
        reader.join(60)
        assert not reader.is_alive(), told
    finally:
        over.set()
    log = checked(client.get("/platform-events", params={"subject_type": "sandbox", "subject_id": sandbox.id}))["data"]
    stored = [(row["data"]["previous_state"], row["data"]["state"]) for row in log]
    # A cursor lies behind the last name of a change: what was cut in between is told again from its first name.
    changes = [(data["previous_state"], data["state"]) for name, data in told if name == "state_changed"]
    assert list(dict.fromkeys(enumerated(changes))) == list(dict.fromkeys(enumerated(stored)))
    assert stored[-1] == ("destroying", "destroyed")


def enumerated(changes):
    """Changes with how often each came before, repetitions directly after one another left out."""
    seen, previous = {}, None
    for change in changes:
        if change != previous:
            seen[change] = seen.get(change, 0) + 1
            yield change, seen[change]
        previous = change


def test_an_orderly_end_is_told(mortal):
    client = mortal.client()
    with client.create(persistent=True) as sandbox:
        with EventStream(client, f"{sandbox.path}/events").await_greeting() as stream:
            mortal.api.stop()
            assert stream.next("end") | {"timestamp": 0} == {
                "type": "end",
                "reason": "shutting_down",
                "message": "the service is stopping",
                "retryable": True,
                "timestamp": 0,
            }
            assert list(stream) == []
        mortal.start_api()
        with EventStream(client, f"{sandbox.path}/events", last_id=stream.last_id) as again:
            sandbox.pause()
            assert again.next("sandbox.paused")


WEBHOOK_STEPS = ["webhook.making", "webhook.made", "webhook.sending", "webhook.answered"]


@pytest.mark.skipif(not paths.has_fault_points(), reason="no fault points in this build")
@pytest.mark.parametrize("label", WEBHOOK_STEPS)
def test_each_event_becomes_one_delivery_wherever_it_is_cut(mortal, label):
    client = mortal.client()
    with Receiver() as receiver:
        hook = checked(client.post("/webhooks", {"url": receiver.url, "events": ["sandbox.created"]}), 201)["data"]
        mortal.api.stop()
        mortal.start_api(label)
        try:
            client.create(persistent=True)
        except (requests.RequestException, AssertionError):
            pass
        wait_until(lambda: not mortal.api.running(), 30, f"atolld to end at {label}")
        mortal.api.wait()
        mortal.start_api()
        wait_until(mortal.connected, 30, "atolld to find atoll-host")

        def settled():
            listed = checked(client.get(f"/webhooks/{hook['id']}/deliveries"))["data"]
            return listed and all(one["state"] == "delivered" for one in listed) and listed

        assert len(wait_until(settled, 30, "the delivery")) == 1
        # It may be sent twice, when the answer came and could not be written down: under one id.
        assert len({payload["delivery_id"] for payload in receiver.payloads()}) == 1
        assert len(receiver.requests) <= 2
    for each in client.list(limit=100):
        client.delete(f"/sandboxes/{each['id']}")
