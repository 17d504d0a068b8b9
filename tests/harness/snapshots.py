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
