"""Secrets in snapshots: variables and tokens of a sandbox are not in its saved files, nor in what the API shows of them."""

import uuid

from harness.expect import checked
from harness.snapshots import create_from, fork, take


def test_variables_are_not_in_the_saved_files(instance, client, make_sandbox):
    secret = f"secret-{uuid.uuid4().hex}"
    sandbox = make_sandbox(env={"TOKEN": secret}, disk_mb=256)
    assert sandbox.output("echo $TOKEN") == f"{secret}\n"
    sandbox.output("true", env={"OTHER": secret})
    taken = take(sandbox)
    files = list((instance.state / "snapshots" / taken["id"]).iterdir())
    assert files
    for file in files:
        assert secret.encode() not in file.read_bytes(), file
    assert secret not in checked_text(client, f"/snapshots/{taken['id']}")
    assert secret not in checked_text(client, "/snapshots")
    sandbox.write("/workspace/marker", secret)
    marked = instance.state / "snapshots" / take(sandbox)["id"] / "disk.img"
    assert secret.encode() in marked.read_bytes()  # so that the search can find


def checked_text(client, path):
    reply = client.get(path)
    checked(reply)
    return reply.text


def test_a_fork_is_opened_by_tokens_of_its_own(client, make_sandbox):
    sandbox = make_sandbox()
    token = checked(client.post(f"{sandbox.path}/preview-token", {}))["token"]
    with fork(sandbox) as branch:
        assert checked(client.get(f"{branch.path}/shares"))["data"] == []
        assert token not in checked_text(client, branch.path)
        assert branch.object["slug"] not in checked_text(client, sandbox.path)


def test_another_tenants_snapshot_cannot_be_named_anywhere(client, other_client, make_sandbox):
    taken = take(make_sandbox())
    with other_client.create() as own:
        for reply in (
            other_client.post(f"{own.path}/restore/{taken['id']}", {}),
            other_client.post(f"{own.path}/fork", {"snapshot_id": taken["id"]}),
            other_client.get(f"{own.path}/snapshots/{taken['id']}"),
            other_client.delete(f"{own.path}/snapshots/{taken['id']}"),
            other_client.post("/sandboxes/run", {"command": "true", "snapshot_id": taken["id"]}),
        ):
            assert reply.status_code == 404, reply.text
            assert reply.json()["error"]["code"] == "NOT_FOUND"
        answer = other_client.post("/snapshots/delete", {"resource_id": taken["sandbox_id"], "all": True, "confirm": taken["sandbox_id"]})
        assert checked(answer)["data"] == {"deleted": [], "blocked": [], "not_found": []}
    with create_from(client, taken) as made:
        assert made.output("echo alive") == "alive\n"
