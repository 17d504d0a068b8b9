"""Taking and using snapshots."""

from harness.client import Sandbox


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


def event_types(sandbox):
    """What the log of events tells of the sandbox, oldest first."""
    client, query, types = sandbox.client, {"subject_id": sandbox.id, "limit": 200}, []
    while True:
        page = client.ok(client.get("/platform-events", params=query))
        types += [row["type"] for row in page["data"]]
        if page["next_cursor"] is None:
            return types
        query["after_seq"] = page["next_cursor"]
