"""kill -9 of the daemons while clients create, use, pause and destroy: at any moment, not only at labelled ones."""

import threading

import pytest
import requests

from harness.client import ApiError
from harness.wait import wait_until


class Worker(threading.Thread):
    """Lives through sandboxes one after the other; remembers what was acknowledged of each."""

    def __init__(self, client, number):
        super().__init__()
        self.client = client
        self.number = number
        self.stopping = threading.Event()
        self.kept = {}  # sandbox → what its file must hold
        self.gone = []  # sandboxes whose destroy was acknowledged
        self.turns = 0
        self.wrong = []

    def run(self):
        while not self.stopping.is_set():
            self.turns += 1
            try:
                self._turn()
            except (requests.RequestException, ApiError) as error:
                # Refusals and cut connections are what a kill looks like; wrong answers are not.
                if getattr(error, "status", 503) not in (404, 409, 500, 502, 503, 504):
                    self.wrong.append(str(error))
            except AssertionError as error:
                self.wrong.append(str(error))

    def _turn(self):
        sandbox = self.client.create()
        self.kept[sandbox] = None
        sandbox.write("/workspace/turn", str(self.turns))
        self.kept[sandbox] = str(self.turns).encode()
        result = sandbox.exec("cat /workspace/turn")
        assert result["stdout"] in (str(self.turns), ""), result
        if self.turns % 2:
            sandbox.pause()
            sandbox.resume()
        sandbox.destroy()
        self.gone.append(sandbox)
        del self.kept[sandbox]


def settled(sandbox):
    return sandbox.state in ("running", "paused", "error", "destroyed")


@pytest.mark.parametrize("which", [("api",), ("host",), ("host", "api")], ids="+".join)
def test_kill_under_load(fresh_instance, which):
    instance = fresh_instance(spare_slots=2)
    before = instance.settled()
    workers = [Worker(instance.client(), number) for number in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(8):
        target = sum(len(worker.gone) for worker in workers) + 6
        wait_until(lambda: sum(len(worker.gone) for worker in workers) >= target, 60, "load")
        for name in which:
            getattr(instance, name).kill9()
        instance.start()
        wait_until(instance.connected, 30, "atolld to find atoll-host")
    for worker in workers:
        worker.stopping.set()
    for worker in workers:
        worker.join(120)
        assert not worker.is_alive()
        assert not worker.wrong

    for worker in workers:
        assert worker.gone, "the load did something"
        for sandbox in worker.gone:
            assert sandbox.state == "destroyed"
        for sandbox, content in worker.kept.items():
            wait_until(lambda: settled(sandbox), 30, "a settled state")
            # A destroy or create that was cut may have been done or undone; nothing is in between.
            if sandbox.object["state"] == "paused":
                sandbox.resume()
            if sandbox.object["state"] in ("running", "paused") and content is not None:
                assert sandbox.read("/workspace/turn") == content
    while page := instance.client().list(limit=100, include_errored="true"):
        for each in page:
            reply = instance.client().delete(f"/sandboxes/{each['id']}")
            assert reply.status_code == 200, reply.text
    instance.assert_no_leak(before)
