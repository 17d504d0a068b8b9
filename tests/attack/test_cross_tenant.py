"""Tenant A's ids in tenant B's hands, on every route that the OpenAPI document names."""

import re

import pytest

from harness.expect import checked

VALUES = {
    "path": "etc/hostname",
    "exec_id": "exc_00000000000000000000000000",
    "name": "victim",
    "template_id": "python",
    "snapshot_id": "snp_00000000000000000000000000",
}
PUBLIC = ("/health", "/metrics", "/openapi.json")
# One body that is good enough for every route that takes one.
BODY = {
    "command": "echo x > /workspace/broken",
    "path": "/workspace/mine",
    "content": "eA==",
    "content_base64": "eA==",
    "from": "/workspace/mine",
    "to": "/workspace/stolen",
    "mode": "000",
    "signal": "SIGKILL",
    "name": "stolen",
    "timeout_sec": 1,
    "tags": ["stolen"],
    "files": [{"path": "/workspace/mine", "content": "eA==", "content_base64": "eA=="}],
}
ACCEPTED = {
    "exec": ("command",),
    "stream": ("command",),
    "commands": ("command",),
    "signal": ("signal",),
    "processes": ("command",),
    "terminal": ("command",),
    "services": ("name", "command"),
    "extend": ("timeout_sec",),
    "tags": ("tags",),
    "write": ("path", "content", "content_base64"),
    "files": ("path", "content"),
    "stat": ("path",),
    "mkdir": ("path",),
    "chmod": ("path", "mode"),
    "rename": ("from", "to"),
    "move": ("from", "to"),
    "delete": ("path",),
    "write-many": ("files",),
    "batch": ("files",),
}


def body_for(path, method):
    if method == "PATCH" and path.endswith("{id}"):
        return {"tags": ["stolen"]}
    wanted = ACCEPTED.get(path.rsplit("/", 1)[-1], ())
    return {name: BODY[name] for name in wanted} or None


def operations(client):
    document = checked(client.get("/openapi.json"))
    for path, item in document["paths"].items():
        for method in item:
            if method in ("get", "put", "post", "delete", "patch", "head"):
                yield method.upper(), path


def fill(path, identifier):
    path = re.sub(r"^/api/v1", "", path)

    def value(match):
        name = match[1].rstrip(".*+")
        return identifier if name in ("id", "sandbox_id", "key_id") else VALUES.get(name, "x")

    return re.sub(r"\{([^}]+)\}", value, path)


@pytest.fixture
def victim(make_sandbox):
    sandbox = make_sandbox(name="victim", tags=["own"])
    sandbox.write("/workspace/mine", "mine")
    return sandbox


def test_every_route_with_a_sandbox_id_answers_404(client, other_client, victim):
    tried = 0
    for method, path in operations(client):
        if "/sandboxes/{" not in path:
            continue
        query = {"path": "/workspace/mine", "recursive": "true"}
        target = fill(path, victim.id)
        reply = other_client.request(method, target, params=query, json=body_for(path, method))
        assert reply.status_code == 404, f"{method} {target}: {reply.status_code} {reply.text[:300]}"
        if method != "HEAD":
            assert reply.json()["error"]["code"] == "NOT_FOUND", (method, target, reply.text)
        assert "mine" not in reply.text.replace("/workspace/mine", "")
        tried += 1
    assert tried >= 35
    assert victim.state == "running"
    assert victim.object["tags"] == ["own"]
    assert victim.object["timeout_sec"] == 300
    assert victim.output("ls /workspace; cat /workspace/mine") == "mine\nmine"


def test_every_route_with_a_snapshot_answers_404(client, other_client, victim):
    taken = checked(victim.client.post(f"{victim.path}/snapshots", {}), 201)["data"]["id"]
    checked(client.post("/named-snapshots", {"name": "victim", "snapshot_id": taken}), 201)
    tried = 0
    with other_client.create() as own:
        for method, path in operations(client):
            if "{snapshot_id}" not in path and "/named-snapshots/{" not in path:
                continue
            for snapshot in (taken, "victim"):
                target = fill(path.replace("{snapshot_id}", snapshot), own.id)
                reply = other_client.request(method, target, params={"path": "/"}, json=body_for(path, method))
                assert reply.status_code == 404, f"{method} {target}: {reply.status_code} {reply.text[:300]}"
                assert reply.json()["error"]["code"] == "NOT_FOUND", (method, target, reply.text)
                tried += 1
        for body in ({"name": "mine", "snapshot_id": taken}, {"name": "mine", "sandbox_id": victim.id}):
            assert other_client.post("/named-snapshots", body).status_code == 404
        for snapshot in (taken, "victim"):
            assert other_client.post("/sandboxes", {"snapshot_id": snapshot}).status_code == 404
            assert other_client.post(f"{own.path}/fork", {"snapshot_id": snapshot}).status_code == 404
        reply = checked(other_client.post("/snapshots/delete", {"ids": [taken, "victim"]}))["data"]
        assert reply == {"deleted": [], "blocked": [], "not_found": [taken, "victim"]}
    assert tried >= 16
    for path in ("/snapshots", "/snapshots/groups", "/named-snapshots"):
        assert checked(other_client.get(path))["data"] == []
    assert checked(client.delete("/named-snapshots/victim"))["data"]["outcome"] == "released"
    checked(client.delete(f"/snapshots/{taken}"))


def test_every_route_wants_a_key_unless_it_is_public(client, anonymous_client, victim):
    for method, path in operations(client):
        target = fill(path, victim.id)
        if path.endswith(PUBLIC):
            continue
        reply = anonymous_client.request(method, target, json=body_for(path, method))
        assert reply.status_code == 401, f"{method} {target}: {reply.status_code}"
    assert victim.state == "running"


def test_a_running_stream_of_another_tenant_cannot_be_fed_or_killed(client, other_client, victim):
    with victim.stream("cat", open_stdin=True) as stream:
        exec_id = stream.next("started")["exec_id"]
        where = f"{victim.path}/exec/{exec_id}"
        assert other_client.post(f"{where}/stdin", data=b"injected\n").status_code == 404
        assert other_client.post(f"{where}/signal", {"signal": "SIGKILL"}).status_code == 404
        with other_client.create() as own:
            # an own sandbox's path with the foreign command's id
            mixed = f"{own.path}/exec/{exec_id}"
            assert other_client.post(f"{mixed}/stdin", data=b"injected\n").status_code == 404
            assert other_client.post(f"{mixed}/signal", {"signal": "SIGKILL"}).status_code == 404
        assert client.post(f"{where}/stdin", data=b"mine\n", params={"eof": "true"}).ok
        assert stream.next("stdout")["line"] == "mine"
        assert stream.next("exit")["exit_code"] == 0


def test_keys_of_another_tenant(client, other_client):
    mine = checked(client.post("/api-keys", {"name": "mine"}), 201)["data"]
    assert other_client.delete(f"/api-keys/{mine['id']}").status_code == 404
    assert client.get("/sandboxes", headers={"Authorization": f"Bearer {mine['key']}"}).status_code == 200
