"""Idempotency-Key: one effect for one key, whatever is repeated."""

import threading
import uuid

from harness.client import Client
from harness.expect import checked, expect_error


def key():
    return {"Idempotency-Key": str(uuid.uuid4())}


def living(client):
    return checked(client.get("/sandboxes"))["meta"]["total"]


def test_the_same_key_gives_the_same_sandbox(tenant):
    client = tenant("repeat")
    headers = key()
    first = client.post("/sandboxes", json={"name": "one"}, headers=headers)
    second = client.post("/sandboxes", json={"name": "one"}, headers=headers)
    assert checked(first, 201)["id"] == checked(second, 201)["id"]
    assert second.headers["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first.headers
    assert living(client) == 1
    client.delete(f"/sandboxes/{first.json()['id']}")


def test_another_body_with_the_same_key_is_refused(tenant):
    client = tenant("reuse")
    headers = key()
    first = checked(client.post("/sandboxes", json={"name": "one"}, headers=headers), 201)
    reply = client.post("/sandboxes", json={"name": "two"}, headers=headers)
    expect_error(reply, 422, "IDEMPOTENCY_KEY_REUSED")
    assert living(client) == 1
    client.delete(f"/sandboxes/{first['id']}")


def test_keys_belong_to_a_tenant(tenant):
    one, two = tenant("idem-one"), tenant("idem-two")
    headers = key()
    first = checked(one.post("/sandboxes", json={}, headers=headers), 201)
    second = checked(two.post("/sandboxes", json={}, headers=headers), 201)
    assert first["id"] != second["id"]
    one.delete(f"/sandboxes/{first['id']}")
    two.delete(f"/sandboxes/{second['id']}")


def test_a_refusal_is_replayed_too(tenant):
    client = tenant("refusal")
    headers = key()
    for _ in range(2):
        reply = client.post("/sandboxes", json={"cpu_count": 0}, headers=headers)
        assert reply.status_code == 422
        assert reply.json()["error"]["code"] == "VALIDATION_ERROR"


def test_concurrent_duplicates_make_one_sandbox(tenant):
    client = tenant("race")
    headers, replies = key(), []

    def create():
        own = Client(client.url, client.key)
        replies.append(own.post("/sandboxes", json={"name": "raced"}, headers=headers))

    threads = [threading.Thread(target=create) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status_code for reply in replies} <= {201, 409}
    made = {reply.json()["id"] for reply in replies if reply.status_code == 201}
    assert len(made) == 1
    assert living(client) == 1
    client.delete(f"/sandboxes/{made.pop()}")


def test_keys_survive_a_restart(fresh_instance):
    instance = fresh_instance()
    headers = key()
    first = checked(instance.client().post("/sandboxes", json={}, headers=headers), 201)
    instance.api.kill9()
    instance.start()
    second = checked(instance.client().post("/sandboxes", json={}, headers=headers), 201)
    assert first["id"] == second["id"]
    assert living(instance.client()) == 1


def test_a_key_that_is_too_long_is_refused(client):
    reply = client.post("/sandboxes", json={}, headers={"Idempotency-Key": "x" * 300})
    assert reply.status_code in (400, 422)


def test_resume_honours_the_key(sandbox):
    sandbox.pause()
    headers = key()
    first = sandbox.client.post(f"{sandbox.path}/resume", headers=headers)
    second = sandbox.client.post(f"{sandbox.path}/resume", headers=headers)
    assert checked(first)["state"] == checked(second)["state"] == "running"
