"""Jobs of a sandbox: start, follow, stop."""

import json

from harness.client import ApiError, event_bytes
from harness.wait import wait_until


def start(sandbox, command, **fields):
    """Starts a job; its JSON."""
    body = {("argv" if isinstance(command, list) else "command"): command, **fields}
    reply = sandbox.client.post(f"{sandbox.path}/processes", body)
    if reply.status_code != 201:
        raise ApiError(reply)
    return reply.json()["data"]


def get(sandbox, job):
    return sandbox.client.ok(sandbox.client.get(path(sandbox, job)))["data"]


def path(sandbox, job):
    return f"{sandbox.path}/processes/{job['id'] if isinstance(job, dict) else job}"


def stop(sandbox, job, **query):
    return sandbox.client.ok(sandbox.client.delete(path(sandbox, job), params=query))["data"]


def ended(sandbox, job, seconds=30):
    """Waits for its end; its JSON then."""

    def find():
        now = get(sandbox, job)
        return now if now["status"] not in ("running", "restarting") else None

    return wait_until(find, seconds, "the job's end")


def logs(sandbox, job, **query):
    return sandbox.client.ok(sandbox.client.get(f"{path(sandbox, job)}/logs", params=query))


def lines(sandbox, job, **query):
    return logs(sandbox, job, **query)["data"]["lines"]


def wait_for_line(sandbox, job, line, seconds=30):
    wait_until(lambda: line in lines(sandbox, job), seconds, f"the line {line!r}")


class Follow:
    """The events of a job's stream as (name, data) pairs; last is the id to come back with."""

    def __init__(self, sandbox, job, last=None, route="stream", by_query=False):
        headers = {"Last-Event-ID": last} if last is not None and not by_query else {}
        query = {"last_event_id": last} if by_query else {}
        url = f"{path(sandbox, job)}/{route}"
        self.last = last
        self.reply = sandbox.client.get(url, headers=headers, params=query, stream=True)
        if not self.reply.ok:
            raise ApiError(self.reply)
        self.events = self._events()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reply.close()

    def __iter__(self):
        return self.events

    def next(self, wanted):
        for name, data in self.events:
            if name == wanted:
                return data
        raise AssertionError(f"the stream ended without an event '{wanted}'")

    def _events(self):
        pending, name, data, identifier = b"", None, None, None
        for chunk in self.reply.iter_content(chunk_size=None):
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                field, _, value = line.decode().partition(": ")
                if field == "event":
                    name = value
                elif field == "id":
                    identifier = value
                elif field == "data":
                    data = json.loads(value)
                elif not line and data is not None:
                    self.last = identifier or self.last
                    yield name, data
                    name = data = identifier = None


def follow(sandbox, job, **options):
    """All events until the stream ends."""
    with Follow(sandbox, job, **options) as stream:
        return list(stream)


def output(events, stream="stdout"):
    """The exact bytes of one stream."""
    return b"".join(event_bytes(data) for name, data in events if name == stream)
