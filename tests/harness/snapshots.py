"""Taking and using snapshots."""

from harness.client import Sandbox
from harness.wait import wait_until


def take(sandbox, **options):
    client = sandbox.client
    return client.ok(client.post(f"{sandbox.path}/snapshots", options))["data"]


def create_from(client, snapshot, **fields):
    return Sandbox(client, client.ok(client.post("/sandboxes", {"snapshot_id": snapshot["id"], **fields})))


def restore(sandbox, snapshot):
    """The same sandbox; its object is the reply."""
    client = sandbox.client
    sandbox.object = client.ok(client.post(f"{sandbox.path}/restore/{snapshot['id']}", {}))["data"]
    assert sandbox.object["id"] == sandbox.id
    return sandbox


def fork(sandbox, **fields):
    client = sandbox.client
    return Sandbox(client, client.ok(client.post(f"{sandbox.path}/fork", fields)))


def look(client, snapshot, kind, path):
    """The reply to a look at a snapshot's files, once they are there; snapshot: its id or name."""
    reply = None

    def answers():
        nonlocal reply
        reply = client.get(f"/snapshots/{snapshot}/{kind}", params={"path": path})
        if reply.status_code == 202:
            assert reply.json()["status"] == "warming" and reply.json()["retry_after_ms"] > 0
        return reply.status_code != 202

    wait_until(answers, 150, "the snapshot's files")
    return reply


def event_types(sandbox):
    """What the log of events tells of the sandbox, oldest first."""
    client, query, types = sandbox.client, {"subject_id": sandbox.id, "limit": 200}, []
    while True:
        page = client.ok(client.get("/platform-events", params=query))
        types += [row["type"] for row in page["data"]]
        if page["next_cursor"] is None:
            return types
        query["after_seq"] = page["next_cursor"]
