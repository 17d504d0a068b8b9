"""kill -9 of either daemon at every labelled step: nothing acknowledged is lost, nothing is left behind."""

import signal
import uuid

import pytest
import requests
import websocket

from harness import jobs, paths, vm
from harness.client import ApiError, Sandbox
from harness.fault_points import labels
from harness.snapshots import fork, look, restore, take
from harness.terminal import terminal, tunnel
from harness.wait import Timeout, wait_until

pytestmark = pytest.mark.skipif(
    not paths.has_fault_points(), reason="no fault points in this build: ATOLL_BUILD=build-asan has them"
)

# Steps of atolld that mean more where memory is saved, too.
WITH_MEMORY = tuple(f"daemon.{what}." for what in ("pause", "resume", "snapshot", "restore", "fork"))


def cases():
    """The daemon, the step and the life that passes it."""
    for daemon in ("atoll-host", "atolld"):
        for label in labels(daemon):
            if label.startswith("host.warm."):
                continue  # see test_kill_while_warming.py
            if label.startswith("host.vm."):
                yield daemon, label, MachineLife
            else:
                yield daemon, label, Life
            if label.startswith(WITH_MEMORY):
                yield daemon, label, MachineLife


class Life:
    """One sandbox through all that can be asked of it; remembers what was acknowledged."""

    def __init__(self, client, label):
        self.client = client
        self.label = label
        self.sandbox = None
        self.key = str(uuid.uuid4())
        self.files = {}
        self.destroyed = False

    def run(self):
        """True when every step succeeded."""
        try:
            self._steps()
        except (ApiError, requests.RequestException, OSError):
            return False
        return True

    def create(self):
        body = {"name": "victim", "persistent": True, **self.shape()}
        reply = self.client.post("/sandboxes", body, headers={"Idempotency-Key": self.key})
        return Sandbox(self.client, self.client.ok(reply))

    def shape(self):
        return {}

    def _steps(self):
        self.sandbox = self.create()
        self._write("first")
        assert self.sandbox.output("echo ring") == "ring\n"
        list(self.sandbox.stream("echo ring"))
        self.sandbox.action("template/start", {"start_command": "sleep 1000"})
        self._run_jobs()
        self._type()
        self.sandbox.pause()
        self.sandbox.resume()
        self._write("second")
        self._save()
        self.sandbox.stop()
        self.sandbox.resume()
        self._write("third")
        self.sandbox.destroy()
        self.destroyed = True

    def _save(self):
        taken = take(self.sandbox)
        restore(self.sandbox, taken)
        self.client.ok(look(self.client, taken["id"], "tree", "/workspace"))
        copy = fork(self.sandbox)
        for path, content in self.files.items():
            assert copy.read(path) == content
        copy.destroy()
        self.client.ok(self.client.delete(f"/snapshots/{taken['id']}"))

    def _run_jobs(self):
        job = jobs.start(self.sandbox, "echo ring; sleep 1000")
        with jobs.Follow(self.sandbox, job) as stream:
            assert stream.next("stdout")["line"] == "ring"
        jobs.stop(self.sandbox, job)
        self.sandbox.action("services", {"name": "bell", "command": "sleep 1000"})

    def _type(self):
        try:
            with terminal(self.sandbox) as viewer:
                viewer.send("echo ring-$((1+1))\r")
                viewer.until("ring-2")
                viewer.close(1000)
            with tunnel(self.sandbox, 9) as socket:
                socket.closed()
        except websocket.WebSocketException as refused:
            raise ConnectionError(str(refused)) from None

    def create_again(self):
        """None while the first one, of which nobody knows yet whether it was made, holds the name."""
        try:
            return self.create()
        except ApiError as error:
            if error.code != "NAME_TAKEN":
                raise
            return None

    def _write(self, name):
        path = f"/workspace/{name}"
        self.sandbox.write(path, name)
        self.files[path] = name.encode()

    def check_nothing_lost(self):
        """The sandbox that was acknowledged is there, works, and has every file that was acknowledged. One
        that was not can be asked for again, under the same name."""
        if self.destroyed:
            return
        if self.sandbox is None:
            again = wait_until(self.create_again, 30, "the half-made sandbox to be undone")
            assert again.output("echo alive") == "alive\n"
            return
        state = wait_until(lambda: settled_state(self.sandbox), 30, "a settled state")
        if state in ("destroyed", "error"):
            # only a destroy that was under way may have finished
            assert len(self.files) == 3, f"{state} although no destroy was asked for: {self.sandbox.object}"
            return
        if state == "paused":
            self.sandbox.resume()
        for path, content in self.files.items():
            assert self.sandbox.read(path) == content
        assert self.sandbox.output("echo alive") == "alive\n"


class MachineLife(Life):
    """The same of a virtual machine, without what makes no difference there."""

    def shape(self):
        # A seed is made only for a shape that nobody has had.
        return vm.SHAPE | ({"memory_mb": next(UNUSED_SIZES)} if ".seed." in self.label else {})

    def _steps(self):
        self.sandbox = self.create()
        self._write("first")
        assert self.sandbox.output("echo ring") == "ring\n"
        self.sandbox.pause()
        if ".kept" in self.label:
            self.client.ok(self.client.delete(f"/snapshots/{take(self.sandbox)['id']}"))
        self.sandbox.resume()
        self._write("second")
        self._save()
        if ".shorten." in self.label:
            self._save_often()
        self.sandbox.stop()
        self.sandbox.resume()
        self._write("third")
        self.sandbox.destroy()
        self.destroyed = True

    def _save_often(self):
        """More often than a chain of layers may be long."""
        for _ in range(18):
            taken = take(self.sandbox)
            self.client.ok(self.client.delete(f"/snapshots/{taken['id']}"))


UNUSED_SIZES = iter(range(300, 400, 4))


def settled_state(sandbox):
    try:
        state = sandbox.refresh()["state"]
    except (ApiError, requests.RequestException):
        return None
    return state if state in ("running", "paused", "error", "destroyed") else None


@pytest.fixture(scope="module")
def faulty(factory):
    instance = factory.make(spare_slots=2).start()
    yield instance
    instance.start()
    factory.end(instance)


def run_with_fault(instance, daemon, label, life):
    """Runs a life with the fault in place; returns whether the daemon was killed by it."""
    target = instance.host if daemon == "atoll-host" else instance.api
    target.stop()
    start = instance.start_host if daemon == "atoll-host" else instance.start_api
    try:
        start(label)
        if daemon == "atoll-host":
            wait_until(lambda: instance.connected() or not target.running(), 30, "atolld to find atoll-host")
        life.run()
    except RuntimeError:
        pass  # it was killed while it started
    return was_killed(target)


def was_killed(daemon):
    """A step may come a little after the reply, and the end a little after the step."""
    try:
        wait_until(lambda: not daemon.running(), 10)
    except Timeout:
        return False
    return daemon.wait() == -signal.SIGKILL


def remove_all(client):
    for each in client.list(limit=100):
        reply = client.delete(f"/sandboxes/{each['id']}")
        assert reply.status_code in (200, 404), reply.text
    for each in client.ok(client.get("/snapshots?limit=200"))["data"]:
        reply = client.delete(f"/snapshots/{each['id']}")
        assert reply.status_code in (200, 404), reply.text


CASES = list(cases())
IDS = [f"{daemon}-{label}" + ("-vm" if kind is MachineLife else "") for daemon, label, kind in CASES]


@pytest.mark.parametrize("daemon,label,kind", CASES, ids=IDS)
def test_kill_at(faulty, daemon, label, kind):
    faulty.start()
    wait_until(faulty.connected, 30, "atolld to find atoll-host")
    remove_all(faulty.client())
    before = faulty.settled()
    bystander = faulty.client().create(persistent=True, **(vm.SHAPE if kind is MachineLife else {}))
    bystander.write("/workspace/kept", "kept")

    life = kind(faulty.client(), label)
    assert run_with_fault(faulty, daemon, label, life), f"the step {label} was not reached"
    faulty.start()
    wait_until(faulty.connected, 30, "atolld to find atoll-host")

    life.check_nothing_lost()
    wait_until(lambda: settled_state(bystander) == "running", 30, "the bystander to be adopted")
    assert bystander.read("/workspace/kept") == b"kept"
    assert bystander.output("echo alive") == "alive\n"
    remove_all(faulty.client())
    faulty.assert_no_leak(before)
