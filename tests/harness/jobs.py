"""Jobs of a sandbox: start, follow, stop."""

from harness.client import ApiError, event_bytes
from harness.sse import EventStream
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


class Follow(EventStream):
    """The events of a job's stream as (name, data) pairs; last_id is the place to come back to."""

    def __init__(self, sandbox, job, last=None, route="stream", by_query=False):
        query = {"last_event_id": last} if by_query and last else {}
        super().__init__(sandbox.client, f"{path(sandbox, job)}/{route}", last_id=None if by_query else last, **query)
        self.last_id = last


def follow(sandbox, job, **options):
    """All events until the stream ends."""
    with Follow(sandbox, job, **options) as stream:
        return list(stream)


def output(events, stream="stdout"):
    """The exact bytes of one stream."""
    return b"".join(event_bytes(data) for name, data in events if name == stream)
