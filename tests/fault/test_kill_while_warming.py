"""kill -9 of atoll-host at every labelled step of making sandboxes ready and of claiming them."""

import signal

import pytest
import requests

from harness import paths
from harness.client import ApiError
from harness.fault_points import labels
from harness.wait import wait_until
from harness.warm import Operator

pytestmark = pytest.mark.skipif(
    not paths.has_fault_points(), reason="no fault points in this build: ATOLL_BUILD=build-asan has them"
)

LABELS = [label for label in labels("atoll-host") if label.startswith("host.warm.")]


@pytest.fixture(scope="module")
def warm(factory):
    instance = factory.make(spare_slots=1, warm_sandboxes=1).start()
    yield instance
    instance.start()
    factory.end(instance)


def settled(instance, operator):
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    operator.await_ready(1)
    return instance.settled()


def create(client):
    """One that was acknowledged, or None."""
    try:
        return client.create(name="victim")
    except (ApiError, requests.RequestException):
        return None


def create_again(client):
    """None while the half-made one of that name is still being undone."""
    try:
        return client.create(name="victim")
    except ApiError as error:
        if error.code != "NAME_TAKEN":
            raise
        return None


@pytest.mark.parametrize("label", LABELS)
def test_kill_at(warm, label):
    warm.start()
    operator, client = Operator(warm), warm.client()
    before = settled(warm, operator)
    warm.host.stop()
    warm.start_host(label)
    sandbox = None
    if label in ("host.warm.claimed", "host.warm.named"):
        wait_until(warm.connected, 30, "atolld to find atoll-host")
        operator.await_ready(1)
        sandbox = create(client)
    wait_until(lambda: not warm.host.running(), 30, f"the step {label}")
    assert warm.host.wait() == -signal.SIGKILL
    warm.start()
    settled(warm, operator)
    if sandbox is None:
        sandbox = wait_until(lambda: create_again(client), 30, "the half-made sandbox to be undone")
    assert sandbox.output("echo alive") == "alive\n"
    sandbox.destroy()
    settled(warm, operator)
    warm.assert_no_leak(before)


def test_the_end_leaves_nothing(warm):
    warm.start()
    settled(warm, Operator(warm))
    warm.stop()
    wait_until(lambda: not warm.leaks(), 20, "the warm sandboxes to be gone")
    warm.start()
