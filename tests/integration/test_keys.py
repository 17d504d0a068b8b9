"""API keys: made, listed, limited by scopes, revoked; never shown again."""

import pytest

from harness.client import Client
from harness.expect import checked, expect_error
from harness.wait import wait_until


def make_key(client, **fields):
    return checked(client.post("/api-keys", {"name": "made", **fields}), 201)["data"]


def test_a_made_key_works_and_is_shown_once(client):
    made = make_key(client, name="laptop")
    assert made["key"].startswith("msk_")
    assert made["key"].startswith(made["key_prefix"])
    assert made["status"] == "active"
    assert Client(client.url, made["key"]).get("/sandboxes").status_code == 200
    listed = {entry["id"]: entry for entry in checked(client.get("/api-keys"))["data"]}
    assert listed[made["id"]]["name"] == "laptop"
    assert listed[made["id"]]["last_four"] == made["key"][-4:]
    assert made["key"] not in client.get("/api-keys").text


def test_a_revoked_key_stops_working(client):
    made = make_key(client)
    mine = Client(client.url, made["key"])
    assert mine.get("/sandboxes").status_code == 200
    assert client.delete(f"/api-keys/{made['id']}").status_code in (200, 204)
    wait_until(lambda: mine.get("/sandboxes").status_code == 401, 10, "the key is refused")
    expect_error(mine.get("/sandboxes"), 401, "invalid_token")


READ_ONLY = ["sandboxes:read"]
REFUSED_TO_READERS = [
    ("POST", "/sandboxes", {}),
    ("POST", "{}/exec", {"command": "true"}),
    ("POST", "{}/pause", {}),
    ("PATCH", "{}", {"name": "x"}),
    ("PUT", "{}/files/raw?path=/x", None),
    ("DELETE", "{}", None),
    ("POST", "/api-keys", {"name": "x"}),
]


@pytest.mark.parametrize("method,path,body", REFUSED_TO_READERS)
def test_a_reader_only_reads(client, shared_sandbox, method, path, body):
    reader = Client(client.url, make_key(client, scopes=READ_ONLY)["key"])
    assert reader.get(shared_sandbox.path).status_code == 200
    reply = reader.request(method, path.format(shared_sandbox.path), json=body)
    expect_error(reply, 403, "insufficient_scope")


def test_a_scope_for_commands_alone(client, shared_sandbox):
    runner = Client(client.url, make_key(client, scopes=["sandboxes:exec"])["key"])
    assert runner.post(f"{shared_sandbox.path}/exec", {"command": "true"}).status_code == 200
    expect_error(runner.delete(shared_sandbox.path), 403, "insufficient_scope")


def test_a_key_cannot_make_a_mightier_one(client):
    minter = Client(client.url, make_key(client, scopes=["keys:write", "sandboxes:read"])["key"])
    reply = minter.post("/api-keys", {"name": "more", "scopes": ["sandboxes:write"]})
    expect_error(reply, 403, "insufficient_scope")
    weaker = make_key(minter, scopes=["sandboxes:read"])
    assert Client(client.url, weaker["key"]).post("/sandboxes").status_code == 403


BAD_FIELDS = [("scopes", ["everything"]), ("scopes", "all"), ("name", 5), ("expires_in_days", -1)]


@pytest.mark.parametrize("field,value", BAD_FIELDS)
def test_a_bad_field_is_refused_by_name(client, field, value):
    reply = client.post("/api-keys", {"name": "x", field: value})
    expect_error(reply, 422, "VALIDATION_ERROR", field=field)


def test_keys_of_another_tenant_cannot_be_seen_or_revoked(client, other_client):
    made = make_key(client)
    assert made["id"] not in other_client.get("/api-keys").text
    expect_error(other_client.delete(f"/api-keys/{made['id']}"), 404, "NOT_FOUND")
    assert Client(client.url, made["key"]).get("/sandboxes").status_code == 200


CREDENTIALS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Basic abc",
    "Bearer msk_live_wrong",
    "Token msk",
    "Bearer msk_live_" + "a" * 5000,
    "Bearer ' or 1=1--",
]


@pytest.mark.parametrize("header", CREDENTIALS)
def test_without_a_good_key_nothing_is_told(anonymous_client, sandbox, header):
    headers = {} if header is None else {"Authorization": header}
    for path in ("/sandboxes", sandbox.path, "/sandbox-templates", "/api-keys"):
        reply = anonymous_client.get(path, headers=headers)
        expect_error(reply, 401, "invalid_token")
        assert "Bearer" in reply.headers["WWW-Authenticate"]


def test_the_scheme_is_case_insensitive(anonymous_client, client):
    reply = anonymous_client.get("/sandboxes", headers={"Authorization": f"bearer {client.key}"})
    assert reply.status_code == 200


def test_the_store_holds_no_key(instance, client):
    made = make_key(client, name="only its hash")
    files = [file for file in (instance.state / "data").rglob("*") if file.is_file()]
    stored = b"".join(file.read_bytes() for file in files)
    assert b"only its hash" in stored
    assert made["key"].encode() not in stored
    assert made["key"][20:-4].encode() not in stored
