"""Named snapshots: kept under a name, and found by it; snapshots by their sandbox."""

import pytest

from harness.client import Sandbox
from harness.expect import checked
from harness.snapshots import restore, take
from harness.wait import wait_until


def give(client, name, **of):
    return checked(client.post("/named-snapshots", {"name": name, **of}), 201)["data"]


def release(client, name):
    return checked(client.delete(f"/named-snapshots/{name}"))["data"]


def refusal(reply):
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["details"].get("field")


def names(client):
    return [entry["name"] for entry in checked(client.get("/named-snapshots"))["data"]]


def test_a_name_keeps_a_snapshot(client, sandbox):
    taken = take(sandbox)
    named = give(client, "Base.v1", snapshot_id=taken["id"])
    assert (named["name"], named["snapshot_id"], named["sandbox_id"]) == ("Base.v1", taken["id"], sandbox.id)
    assert named["snapshot"]["named_snapshot"] == "Base.v1" and named["status"] == "ready"
    assert checked(client.get("/named-snapshots/base.V1"))["data"] == named
    one = checked(client.get(f"/snapshots/{taken['id']}"))
    assert one["data"]["named_snapshot"] == "Base.v1"
    holder = {"type": "named_snapshot", "id": "Base.v1", "label": "Base.v1"}
    assert one["dependents"] == [holder]
    for path in (f"/snapshots/{taken['id']}", f"{sandbox.path}/snapshots/{taken['id']}"):
        reply = client.delete(path)
        assert refusal(reply)[:2] == (409, "SNAPSHOT_IN_USE")
        assert reply.json()["error"]["details"]["dependents"] == [holder]
    reply = client.post("/snapshots/delete", {"ids": [taken["id"]]})
    assert reply.status_code == 409
    assert reply.json()["data"]["blocked"] == [{"snapshot_id": taken["id"], "dependents": [holder]}]
    assert release(client, "BASE.V1") == {"name": "Base.v1", "snapshot_id": taken["id"], "outcome": "released"}
    assert checked(client.get(f"/snapshots/{taken['id']}"))["data"]["named_snapshot"] is None
    assert client.get("/named-snapshots/Base.v1").status_code == 404
    assert client.delete("/named-snapshots/Base.v1").status_code == 404
    checked(client.delete(f"/snapshots/{taken['id']}"))


def test_a_name_stands_for_its_snapshot(client, sandbox):
    sandbox.write("/workspace/a", "then")
    named = give(client, "by-name", sandbox_id=sandbox.id)
    sandbox.write("/workspace/a", "now")
    made = [
        client.post("/sandboxes", {"snapshot_id": "by-name"}),
        client.post(f"{sandbox.path}/fork", {"snapshot_id": "By-Name"}),
        client.post("/snapshots/by-name/fork", {}),
        client.post("/named-snapshots/by-Name/deploy", {"name": "deployed"}, headers={"Idempotency-Key": "deploy-once"}),
    ]
    for reply in made:
        answer = checked(reply, 201)
        with Sandbox(client, answer.get("data", answer)) as copy:
            assert copy.read("/workspace/a") == b"then"
            assert copy.object["snapshot_id"] == named["snapshot_id"]
    for reply in made[2:]:
        assert reply.json()["snapshot"]["id"] == named["snapshot_id"]
    assert made[3].json()["data"]["name"] == "deployed"
    assert client.post("/named-snapshots/missing/deploy", {}).status_code == 404
    assert client.post(f"/named-snapshots/{named['snapshot_id']}/deploy", {}).status_code == 404
    entries = checked(client.get("/snapshots/by-name/tree", params={"path": "/workspace"}))["data"]["entries"]
    assert [entry["name"] for entry in entries] == ["a"]
    restore(sandbox, {"id": "by-name"})
    assert sandbox.read("/workspace/a") == b"then"
    assert release(client, "by-name")["outcome"] == "deleted"


def test_a_snapshot_taken_for_its_name_goes_with_it(client, sandbox):
    named = give(client, "own", sandbox_id=sandbox.id)
    assert release(client, "own")["outcome"] == "deleted"
    assert client.get(f"/snapshots/{named['snapshot_id']}").status_code == 404
    again = give(client, "own", sandbox_id=sandbox.id)
    assert again["snapshot_id"] != named["snapshot_id"]
    sandbox.destroy()
    assert checked(client.get("/named-snapshots/own"))["data"]["snapshot"]["resource"]["state"] == "destroyed"
    release(client, "own")


def test_a_named_one_does_not_expire(client, sandbox):
    taken = take(sandbox, expiration_seconds=1)
    assert give(client, "lasting", snapshot_id=taken["id"])["snapshot"]["expires_at"] is None
    mortal = take(sandbox, expiration_seconds=1)
    wait_until(lambda: client.get(f"/snapshots/{mortal['id']}").status_code == 404, 20, "the other one to expire")
    assert checked(client.get(f"/snapshots/{taken['id']}"))["data"]["status"] == "ready"
    assert release(client, "lasting")["outcome"] == "released"
    wait_until(lambda: client.get(f"/snapshots/{taken['id']}").status_code == 404, 20, "it to expire")


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "ä", "a/b", "a" * 64, "snp_00000000000000000000000000", 1, None])
def test_bad_names(client, sandbox, name):
    reply = client.post("/named-snapshots", {"name": name, "sandbox_id": sandbox.id})
    assert refusal(reply) == ((400, "MISSING_PARAM", "name") if name is None else (422, "VALIDATION_ERROR", "name"))
    assert checked(client.get(f"{sandbox.path}/snapshots"))["data"] == []


def test_what_is_refused(client, sandbox):
    taken, other = take(sandbox), take(sandbox)
    give(client, "a" * 63, snapshot_id=taken["id"])
    ask = lambda **body: refusal(client.post("/named-snapshots", body))
    assert ask(name="A" * 63, snapshot_id=other["id"]) == (409, "NAME_TAKEN", "name")
    assert ask(name="A" * 63, sandbox_id=sandbox.id) == (409, "NAME_TAKEN", "name")
    assert ask(name="second", snapshot_id=taken["id"]) == (409, "NAME_TAKEN", "snapshot_id")
    assert ask(name="second") == (400, "MISSING_PARAM", "snapshot_id")
    assert ask(name="second", snapshot_id=taken["id"], sandbox_id=sandbox.id) == (422, "VALIDATION_ERROR", "sandbox_id")
    assert ask(name="second", computer_id="x") == (422, "VALIDATION_ERROR", "computer_id")
    assert ask(name="second", snapshot_id="snp_00000000000000000000000000")[:2] == (404, "NOT_FOUND")
    assert ask(name="second", sandbox_id="sbx_00000000000000000000000000")[:2] == (404, "NOT_FOUND")
    assert len(checked(client.get(f"{sandbox.path}/snapshots"))["data"]) == 2
    release(client, "a" * 63)


def test_the_number_is_limited(fresh_instance):
    client = fresh_instance(max_named_snapshots=1, spare_slots=1).client()
    with client.create() as sandbox:
        give(client, "one", sandbox_id=sandbox.id)
        listed = checked(client.get("/named-snapshots"))
        assert listed["allowance"] == {"included": 1, "used": 1, "remaining": 0}
        reply = client.post("/named-snapshots", {"name": "two", "sandbox_id": sandbox.id})
        assert refusal(reply)[:2] == (409, "SNAPSHOT_LIMIT_EXCEEDED")
        assert len(checked(client.get(f"{sandbox.path}/snapshots"))["data"]) == 1, "nothing is left of it"
        assert names(client) == ["one"]


def test_tenants_have_names_of_their_own(client, other_client, sandbox):
    give(client, "shared", sandbox_id=sandbox.id)
    with other_client.create() as theirs:
        give(other_client, "Shared", sandbox_id=theirs.id)
        assert names(other_client) == ["Shared"] and "shared" in names(client)
        release(other_client, "shared")
    assert other_client.get("/named-snapshots/shared").status_code == 404
    assert refusal(other_client.post("/sandboxes", {"snapshot_id": "shared"}))[:2] == (404, "NOT_FOUND")
    taken = take(sandbox)
    assert refusal(other_client.post("/named-snapshots", {"name": "x", "snapshot_id": taken["id"]}))[:2] == (404, "NOT_FOUND")
    release(client, "shared")


def test_a_repeated_request_names_one(client, sandbox):
    body, headers = {"name": "once", "sandbox_id": sandbox.id}, {"Idempotency-Key": "name-once"}
    first = checked(client.post("/named-snapshots", body, headers=headers), 201)
    assert checked(client.post("/named-snapshots", body, headers=headers), 201) == first
    release(client, "once")


def test_groups(client, make_sandbox):
    first, second = make_sandbox(name="first"), make_sandbox(name="second")
    old = [take(first), take(first, keep=True)]
    give(client, "grouped", snapshot_id=old[0]["id"])
    new = take(second)
    second.destroy()
    groups = checked(client.get("/snapshots/groups"))
    assert groups["meta"]["total"] >= 2
    top = groups["data"][:2]
    assert [group["resource"]["id"] for group in top] == [second.id, first.id]
    assert [group["resource"]["state"] for group in top] == ["destroyed", "running"]
    assert top[0]["latest_snapshot_id"] == new["id"] and top[0]["latest_created_at"] == new["created_at"]
    assert (top[1]["snapshot_count"], top[1]["named_count"], top[1]["keep_count"]) == (2, 1, 1)
    assert top[1]["size_bytes"] == sum(one["size_bytes"] for one in old)
    one = checked(client.get("/snapshots/groups", params={"resource_id": first.id}))
    assert one["data"] == [top[1]] and one["meta"]["total"] == 1
    assert checked(client.get("/snapshots/groups", params={"q": "second"}))["data"] == [top[0]]
    assert checked(client.get("/snapshots/groups", params={"limit": 1, "offset": 1}))["data"] == [top[1]]
    release(client, "grouped")
