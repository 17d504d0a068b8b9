"""Stopping a daemon's work at a labelled step, to do something to it there."""

import contextlib
import os
import pathlib
import signal
import threading

import requests

from harness.client import ApiError
from harness.wait import wait_until


def stopped(instance):
    """Processes of the instance that stand still."""
    found = []
    for pid in instance.resources()["processes"]:
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                found.append(int(pid))
    return found


@contextlib.contextmanager
def host_that_stops_at(instance, label):
    """atoll-host started anew, which stops at that step (so does a helper of its)."""
    instance.host.stop()
    instance.start_host(f"{label}=stop")
    wait_until(instance.connected, 30, "atolld to find atoll-host")
    try:
        yield
    finally:
        go_on(instance)
        instance.host.stop()
        instance.start_host()
        wait_until(instance.connected, 30, "atolld to find atoll-host")


def go_on(instance):
    for pid in stopped(instance):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class Attempt(threading.Thread):
    """A call in the background that may fail as the API says, and must end."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call = call
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.call()
        except (ApiError, requests.RequestException, OSError) as error:
            self.error = error

    def end(self, seconds=120):
        """True when the call succeeded."""
        self.join(seconds)
        assert not self.is_alive(), "the call hangs"
        return self.error is None


def await_step(instance, attempt, seconds=60):
    """Waits until the step is reached; False when the attempt ended without it."""
    wait_until(lambda: stopped(instance) or not attempt.is_alive(), seconds, "the step, or the attempt's end")
    return bool(stopped(instance))
