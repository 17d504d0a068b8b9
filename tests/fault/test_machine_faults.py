"""At every step of a machine's life its QEMU is killed, and the host's disk is full: always an answer, never a
sandbox that stands still, nothing left behind."""

import contextlib
import os
import signal

import pytest
import requests

from harness import counter, paths, steps, vm
from harness.client import ApiError
from harness.expect import checked
from harness.fault_points import labels
from harness.small_disk import SmallDisk
from harness.snapshots import fork, restore, take
from harness.wait import wait_until

pytestmark = [
    pytest.mark.engines("vm"),
    pytest.mark.skipif(
        not paths.has_fault_points(), reason="no fault points in this build: ATOLL_BUILD=build-asan has them"
    ),
]

# Adoption is not here: nothing is asked for while atoll-host starts.
LABELS = [
    label for label in labels("atoll-host") if label.startswith("host.vm.") and not label.startswith("host.vm.adopt.")
]
WRITING = [label for label in LABELS if label.split(".")[2] not in ("destroy", "trash", "slot", "stop")]
UNUSED_SIZES = iter(range(402, 600, 4))  # test_kill_at_every_step.py takes those below
FINAL = ("running", "paused", "error", "destroyed")


class Life:
    """What can be asked of a machine, in an order in which every step comes early."""

    def __init__(self, client, label):
        self.client, self.label = client, label
        self.sandbox = self.branch = self.taken = None

    def run(self):
        # A seed is made only for a shape that nobody has had.
        shape = {"memory_mb": next(UNUSED_SIZES)} if ".seed." in self.label else {}
        self.sandbox = self.client.create(persistent=True, **shape)
        self.sandbox.write("/workspace/a", "acknowledged")
        self.taken = take(self.sandbox)
        if ".shorten." in self.label:  # more often than a chain of layers may be long
            for _ in range(18):
                self.client.ok(self.client.delete(f"/snapshots/{take(self.sandbox)['id']}"))
        self.branch = fork(self.sandbox)
        self.sandbox.pause()
        take(self.sandbox)
        self.sandbox.resume()
        restore(self.sandbox, self.taken)
        self.branch.stop()
        self.branch.resume()
        self.branch.destroy()
        self.sandbox.destroy()


def state_of(sandbox):
    try:
        state = sandbox.refresh()["state"]
    except ApiError as error:
        return "destroyed" if error.status == 404 else None
    except requests.RequestException:
        return None
    return state if state in FINAL else None


def settle(sandbox):
    return wait_until(lambda: state_of(sandbox), 60, "a settled state")


def remove_all(client):
    for each in client.list(limit=100):
        reply = client.delete(f"/sandboxes/{each['id']}")
        assert reply.status_code in (200, 404), reply.text
    for each in checked(client.get("/snapshots?limit=200"))["data"]:
        reply = client.delete(f"/snapshots/{each['id']}")
        assert reply.status_code in (200, 404), reply.text


def assert_told(sandbox):
    """Its state is true: it works, or says why it does not."""
    if sandbox is None:
        return
    state = settle(sandbox)
    if state == "running":
        assert sandbox.read("/workspace/a") == b"acknowledged"
        assert sandbox.output("echo alive", timeout_seconds=60) == "alive\n"
    elif state == "paused":
        sandbox.resume()
        assert sandbox.read("/workspace/a") == b"acknowledged"
    elif state == "error":
        assert sandbox.object["metadata"]["last_error"]


def interrupt(instance, label, action):
    """Runs a life, does the action where it reaches the step, lets it go on; returns the life, and whether all
    of it succeeded."""
    life = Life(instance.client(), label)
    with steps.host_that_stops_at(instance, label):
        attempt = steps.Attempt(life.run)
        assert steps.await_step(instance, attempt), f"the step {label} was not reached: {attempt.error}"
        action()
        steps.go_on(instance)
        succeeded = attempt.end()
    return life, succeeded


@pytest.fixture(scope="module")
def own(factory, engine):
    instance = factory.make(spare_slots=1).start()
    yield instance
    instance.start()
    factory.end(instance)


@pytest.mark.parametrize("label", LABELS)
def test_the_machines_are_killed_at(own, label):
    own.start()
    wait_until(own.connected, 30, "atolld to find atoll-host")
    remove_all(own.client())
    before = own.settled()

    def kill():
        for pid in vm.machines(own):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    life, _ = interrupt(own, label, kill)
    assert_told(life.sandbox)
    assert_told(life.branch)
    remove_all(own.client())
    own.assert_no_leak(before, 60)


@pytest.fixture(scope="module")
def small(factory, engine):
    with SmallDisk(factory.root) as disk:
        seeds, images = disk.directory / "seeds", disk.directory / "images"
        seeds.mkdir(mode=0o700)
        instance = factory.make(disk.directory, seeds, spare_slots=1, images=images, disk_reserve_mb=0).start()
        instance.client().create().destroy()
        yield instance, disk
        disk.free()
        instance.start()
        factory.end(instance)


@pytest.mark.parametrize("label", WRITING)
def test_the_disk_is_full_at(small, label):
    own, disk = small
    own.start()
    wait_until(own.connected, 30, "atolld to find atoll-host")
    remove_all(own.client())
    before = own.settled()
    bystander = own.client().create()
    counter.start(bystander)
    reading = counter.read(bystander)
    try:
        life, succeeded = interrupt(own, label, disk.fill)
    finally:
        disk.free()
    counter.await_more(bystander, reading)
    assert_told(life.sandbox)
    if not succeeded and life.sandbox and settle(life.sandbox) == "running":
        take(life.sandbox)  # what failed for want of space works again
    remove_all(own.client())
    own.assert_no_leak(before, 60)
